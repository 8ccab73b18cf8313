// pgjdbc: one line for each thing done. The same lines are wanted with and without the gate.
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

public class Drive {
    interface Act { void run() throws Exception; }

    static void say(Object... words) {
        System.out.println(String.join(" ", Arrays.stream(words).map(String::valueOf).toList()));
    }

    static String failing(Act act) {
        try {
            act.run();
            return "no error";
        } catch (SQLException error) {
            return error.getSQLState();
        } catch (Exception error) {
            return error.getClass().getSimpleName();
        }
    }

    static Connection connect(String mode) throws SQLException {
        URI url = URI.create(System.getenv("DRIVE_URL"));
        String[] who = url.getUserInfo().split(":");
        Properties given = new Properties();
        given.setProperty("user", who[0]);
        given.setProperty("password", who[1]);
        given.setProperty("sslmode", "disable");
        given.setProperty("preferQueryMode", mode);
        given.setProperty("prepareThreshold", "2");
        return DriverManager.getConnection(
            "jdbc:postgresql://" + url.getHost() + ":" + url.getPort() + url.getPath(), given);
    }

    static long number(Connection at, String sql) throws SQLException {
        try (Statement asked = at.createStatement(); ResultSet found = asked.executeQuery(sql)) {
            found.next();
            return found.getLong(1);
        }
    }

    static void exec(Connection at, String sql) throws SQLException {
        try (Statement asked = at.createStatement()) {
            asked.execute(sql);
        }
    }

    static void drive(String mode) throws Exception {
        Connection at = connect(mode);
        say("mode", mode);
        exec(at, "CREATE TEMP TABLE driven (n int PRIMARY KEY)");
        try (PreparedStatement next = at.prepareStatement("SELECT ?::int + 1")) {
            for (int n = 0; n < 5; n++) {
                next.setInt(1, n);
                try (ResultSet found = next.executeQuery()) {
                    found.next();
                    say("prepared", found.getInt(1));
                }
            }
        }
        say("error", failing(() -> number(at, "SELECT 1 / 0")), failing(() -> exec(at, "SELEC 1")));
        exec(at, "SELECT 1; SELECT 2; INSERT INTO driven VALUES (-1)");

        at.setAutoCommit(false);
        exec(at, "INSERT INTO driven VALUES (1)");
        at.rollback();
        say("rolled back", number(at, "SELECT count(*) FROM driven"));
        exec(at, "INSERT INTO driven VALUES (1)");
        say("in transaction", failing(() -> exec(at, "INSERT INTO driven VALUES (1)")));
        say("after an error", failing(() -> exec(at, "SELECT 1")));
        at.rollback();
        exec(at, "INSERT INTO driven VALUES (7)");
        at.commit();
        try (PreparedStatement reading = at.prepareStatement("SELECT generate_series(1, 95)")) {
            reading.setFetchSize(10);
            int sum = 0;
            try (ResultSet found = reading.executeQuery()) {
                while (found.next()) sum += found.getInt(1);
            }
            say("by a cursor", sum);
        }
        at.commit();
        at.setAutoCommit(true);

        try (PreparedStatement batch = at.prepareStatement("INSERT INTO driven VALUES (?)")) {
            for (int n = 1000; n < 1300; n++) {
                batch.setInt(1, n);
                batch.addBatch();
            }
            say("batched", batch.executeBatch().length);
            for (int n = 1298; n < 1305; n++) {
                batch.setInt(1, n);
                batch.addBatch();
            }
            try {
                batch.executeBatch();
            } catch (BatchUpdateException error) {
                say("wrong batch", error.getSQLState(), Arrays.toString(error.getUpdateCounts()));
            }
        }
        say("after it", number(at, "SELECT count(*) FROM driven"));

        var copies = at.unwrap(PGConnection.class).getCopyAPI();
        String rows = "";
        for (int n = 5000; n < 7000; n++) rows += n + "\n";
        InputStream good = new ByteArrayInputStream(rows.getBytes(StandardCharsets.UTF_8));
        say("copied in", copies.copyIn("COPY driven FROM STDIN", good));
        for (String wrong : new String[] {"x\n", "1\n".repeat(200000)}) {
            InputStream bad = new ByteArrayInputStream(wrong.getBytes(StandardCharsets.UTF_8));
            say("wrong copy", failing(() -> copies.copyIn("COPY driven FROM STDIN", bad)));
            say("after it", number(at, "SELECT count(*) FROM driven"));
        }
        InputStream broken = new InputStream() {
            private int left = 10;

            public int read() throws IOException {
                if (left-- <= 0) throw new IOException("no more");
                return left % 2 == 0 ? '\n' : '8';
            }
        };
        say("copy called off", failing(() -> copies.copyIn("COPY driven FROM STDIN", broken)));
        var out = new ByteArrayOutputStream();
        say("copied out", copies.copyOut("COPY driven TO STDOUT", out), out.size());

        Connection watcher = connect("extended");
        Statement sleeping = at.createStatement();
        int pid = at.unwrap(PGConnection.class).getBackendPID();
        String asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = " + pid;
        Thread cancels = new Thread(() -> failing(() -> {
            while (number(watcher, asleep) == 0) { }
            sleeping.cancel();
        }));
        cancels.start();
        say("cancelled", failing(() -> sleeping.executeQuery("SELECT pg_sleep(60)")));
        cancels.join();
        say("goes on", number(at, "SELECT 1"));

        exec(at, "LISTEN news");
        exec(watcher, "SELECT pg_notify('news', 'sold out')");
        PGNotification[] heard = at.unwrap(PGConnection.class).getNotifications(30000);
        say("heard", heard[0].getParameter());
        say("large", number(at, "SELECT length(repeat('x', 3000000))"));
        watcher.close();
        at.close();
    }

    public static void main(String[] words) throws Exception {
        for (String mode : new String[] {"extended", "extendedForPrepared", "extendedCacheEverything", "simple"}) {
            drive(mode);
        }
        say("over");
    }
}

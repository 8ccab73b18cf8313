// pgx: one line for each thing done. The same lines are wanted with and without the gate.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		fmt.Println("unexpected", err)
		os.Exit(1)
	}
}

func code(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return fmt.Sprint(err)
}

func connect() *pgx.Conn {
	conn, err := pgx.Connect(ctx, os.Getenv("DRIVE_URL"))
	must(err)
	return conn
}

func number(conn *pgx.Conn, sql string, args ...any) (found int) {
	must(conn.QueryRow(ctx, sql, args...).Scan(&found))
	return found
}

func exec(conn *pgx.Conn, sql string, args ...any) error {
	_, err := conn.Exec(ctx, sql, args...)
	return err
}

func main() {
	conn := connect()
	must(exec(conn, "CREATE TEMP TABLE driven (n int PRIMARY KEY)"))
	_, err := conn.Prepare(ctx, "next", "SELECT $1::int + 1")
	must(err)
	fmt.Println("prepared", number(conn, "next", 1), number(conn, "next", 2))
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		fmt.Println(mode, number(conn, "SELECT $1::int + 1", mode, 5), number(conn, "SELECT $1::int + 1", mode, 6))
		fmt.Println("error", code(exec(conn, "SELECT 1 / $1::int", mode, 0)))
	}
	fmt.Println("syntax", code(exec(conn, "SELEC 1")))
	several, err := conn.PgConn().Exec(ctx, "SELECT 1; SELECT 2; SELECT 3").ReadAll()
	fmt.Println("several", len(several), err)

	begun, err := conn.Begin(ctx)
	must(err)
	must(exec(conn, "INSERT INTO driven VALUES ($1)", 1))
	must(begun.Rollback(ctx))
	fmt.Println("rolled back", number(conn, "SELECT count(*)::int FROM driven"))
	begun, err = conn.Begin(ctx)
	must(err)
	must(exec(conn, "INSERT INTO driven VALUES ($1)", 1))
	fmt.Println("in transaction", code(exec(conn, "INSERT INTO driven VALUES ($1)", 1)))
	fmt.Println("after an error", code(exec(conn, "SELECT 1")))
	must(begun.Rollback(ctx))

	batch := &pgx.Batch{}
	for n := range 20 {
		batch.Queue("INSERT INTO driven VALUES ($1)", n)
	}
	must(conn.SendBatch(ctx, batch).Close())
	fmt.Println("batched", number(conn, "SELECT count(*)::int FROM driven"))
	batch = &pgx.Batch{}
	for n := range 5 {
		batch.Queue("SELECT 10 / ($1::int - 2)", n)
	}
	results := conn.SendBatch(ctx, batch)
	for range 5 {
		_, err := results.Exec()
		fmt.Println("batch", code(err))
	}
	fmt.Println("batch over", code(results.Close()))

	line := conn.PgConn().StartPipeline(ctx)
	line.SendQueryParams("SELECT 1", nil, nil, nil, nil)
	must(line.Sync())
	line.SendQueryParams("SELECT 1 / 0", nil, nil, nil, nil)
	line.SendQueryParams("SELECT 2", nil, nil, nil, nil)
	must(line.Sync())
	line.SendQueryParams("SELECT 3", nil, nil, nil, nil)
	line.SendFlushRequest()
	must(line.Flush())
	for range 5 {
		found, err := line.GetResults()
		if reader, is := found.(*pgconn.ResultReader); is {
			read := reader.Read()
			err = read.Err
			found = read.CommandTag.String()
		}
		fmt.Printf("pipeline %T %s\n", found, code(err))
	}
	must(line.Sync())
	_, err = line.GetResults()
	must(err)
	must(line.Close())

	rows := [][]any{}
	for n := range 2000 {
		rows = append(rows, []any{n + 100})
	}
	copied, err := conn.CopyFrom(ctx, pgx.Identifier{"driven"}, []string{"n"}, pgx.CopyFromRows(rows))
	fmt.Println("copied in", copied, err)
	for _, text := range []string{"x\n", strings.Repeat("1\n", 200000)} {
		_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader(text), "COPY driven FROM STDIN")
		fmt.Println("wrong copy", code(err))
		fmt.Println("after it", number(conn, "SELECT count(*)::int FROM driven"))
	}
	broken := io.MultiReader(strings.NewReader("5000\n"), failing{})
	_, err = conn.PgConn().CopyFrom(ctx, broken, "COPY driven FROM STDIN")
	fmt.Println("copy called off", code(err))
	out := &bytes.Buffer{}
	_, err = conn.PgConn().CopyTo(ctx, out, "COPY driven TO STDOUT")
	fmt.Println("copied out", out.Len(), err)

	watcher := connect()
	slept := make(chan error)
	go func() { slept <- exec(conn, "SELECT pg_sleep(60)") }()
	asleep := "SELECT count(*)::int FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
	for number(watcher, asleep, conn.PgConn().PID()) == 0 {
	}
	must(conn.PgConn().CancelRequest(ctx))
	fmt.Println("cancelled", code(<-slept))
	fmt.Println("goes on", number(conn, "SELECT 1"))

	must(exec(conn, "LISTEN news"))
	must(exec(watcher, "SELECT pg_notify('news', 'sold out')"))
	heard, err := conn.WaitForNotification(ctx)
	must(err)
	fmt.Println("heard", heard.Payload)
	fmt.Println("large", number(conn, "SELECT length(repeat('x', 3000000))"))
	must(watcher.Close(ctx))
	must(conn.Close(ctx))
	fmt.Println("over")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no more") }

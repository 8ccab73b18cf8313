// node-postgres: one line for each thing done. The same lines are wanted with and without the gate.
import pg from "pg";
import copy from "pg-copy-streams";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";

const url = process.env.DRIVE_URL;
const say = (...words) => console.log(words.join(" "));
const failing = (promise) => promise.then(() => "no error", (error) => error.code ?? error.message);
const connect = async () => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
};

const client = await connect();
await client.query("CREATE TEMP TABLE driven (n int PRIMARY KEY)");
for (const n of [1, 2]) {
  const found = await client.query({ name: "next", text: "SELECT $1::int + 1 AS n", values: [n] });
  say("prepared", found.rows[0].n);
}
say("unnamed", (await client.query("SELECT $1::text AS t", ["ana"])).rows[0].t);
say("several", (await client.query("SELECT 1 AS a; SELECT 2 AS a; SELECT 3 AS a")).map((one) => one.rows[0].a));
say("error", await failing(client.query("SELECT 1 / $1::int", [0])));
say("syntax", await failing(client.query("SELEC 1")));
say("bind", await failing(client.query("SELECT $1::int", ["x"])));

await client.query("BEGIN");
await client.query("INSERT INTO driven VALUES ($1)", [1]);
await client.query("ROLLBACK");
say("rolled back", (await client.query("SELECT count(*)::int AS n FROM driven")).rows[0].n);
await client.query("BEGIN");
await client.query("INSERT INTO driven VALUES ($1)", [1]);
say("in transaction", await failing(client.query("INSERT INTO driven VALUES ($1)", [1])));
say("after an error", await failing(client.query("SELECT 1")));
await client.query("ROLLBACK");
await client.query("BEGIN; INSERT INTO driven VALUES (7); COMMIT");
say("committed", (await client.query("SELECT sum(n)::int AS n FROM driven")).rows[0].n);

const queued = Array.from({ length: 20 }, (_, n) => failing(client.query("SELECT 10 / ($1::int - 7)", [n])));
say("queued", (await Promise.all(queued)).join(","));

const copying = (rows) => pipeline(Readable.from(rows), client.query(copy.from("COPY driven FROM STDIN")));
await copying(Array.from({ length: 2000 }, (_, n) => `${n + 100}\n`));
say("copied in", (await client.query("SELECT count(*)::int AS n FROM driven")).rows[0].n);
for (const rows of [["x\n"], Array.from({ length: 3000 }, (_, n) => (n === 10 ? "wrong\n" : `${n + 9000}\n`))]) {
  say("wrong copy", await failing(copying(rows)));
  say("after it", (await client.query("SELECT count(*)::int AS n FROM driven")).rows[0].n);
}
let out = 0;
for await (const data of client.query(copy.to("COPY driven TO STDOUT"))) out += data.length;
say("copied out", out);

const sleeping = client.query("SELECT pg_sleep(60)");
sleeping.catch(() => {});
const cancelled = failing(sleeping);
const watcher = await connect();
const asleep = "SELECT wait_event = 'PgSleep' AS is FROM pg_stat_activity WHERE pid = $1";
while (!(await watcher.query(asleep, [client.processID])).rows[0]?.is);
const pid = client.processID;
await new Promise((done) => {
  const canceller = new pg.Connection({});
  canceller.on("connect", () => canceller.cancel(pid, client.secretKey));
  canceller.on("end", done);
  const { hostname, port } = new URL(url);
  canceller.connect(Number(port), hostname);
});
say("cancelled", await cancelled);
say("goes on", (await client.query("SELECT 1 AS n")).rows[0].n);

await client.query("LISTEN news");
const heard = new Promise((done) => client.on("notification", (one) => done(one.payload)));
await watcher.query("SELECT pg_notify('news', 'sold out')");
say("heard", await heard);
say("large", (await client.query("SELECT repeat('x', 3000000) AS t")).rows[0].t.length);
await watcher.end();
await client.end();
say("over");

// Reads verdicts and gives each one to a queue by its decision. Copy it, and replace Store by your database. The settings
// are environment variables, see the README beside this folder.
import { createHash, randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Kafka, type KafkaConfig, type KafkaMessage, type EachBatchPayload, logLevel } from "kafkajs";
import type { Verdict } from "./verdict.js";

const TYPE = "vigilens.verdict.v2"; // the type names the major version; minor versions only add fields
const QUEUES: readonly string[] = ["allow", "review", "block", "unscannable"] satisfies Verdict["decision"][];
const environment = process.env;

/** The record is no verdict that we know; the message says why. */
class Unreadable extends Error {}

/** Where an image goes. A decision that is newer than this program is for a person, never for "allow". */
function queueOf(decision: string): string {
  return QUEUES.includes(decision) ? decision : "review";
}

/** The verdict's id and the verdict. Fields that we do not know are left alone. */
function read(message: KafkaMessage): { id: string; verdict: Verdict } {
  const type = message.headers?.["ce_type"]?.toString();
  const id = message.headers?.["ce_id"]?.toString();
  if (type !== TYPE) throw new Unreadable(`the type is ${type}`);
  if (!id) throw new Unreadable("there is no id");
  let verdict: unknown;
  try {
    verdict = JSON.parse(message.value?.toString() ?? "");
  } catch (error) {
    throw new Unreadable(`the value is not JSON: ${error}`);
  }
  if (typeof verdict !== "object" || verdict === null || !("decision" in verdict)) {
    throw new Unreadable("the value is no verdict");
  }
  return { id, verdict: verdict as Verdict };
}

/**
 * What was handled, and with what result: a folder with a file for each id. The file appears whole or not at all, and only
 * if it is not there yet. In a database it is a row whose primary key is the id. All instances of this program must share
 * the store.
 */
class Store {
  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true });
  }

  put(id: string, queue: string, image: string): void {
    const written = join(this.folder, `${randomUUID()}.tmp`);
    writeFileSync(written, JSON.stringify({ id, queue, image }), { flag: "as" }); // s: it is on the disk
    try {
      linkSync(written, join(this.folder, `${createHash("sha256").update(id).digest("hex")}.json`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // it exists if the record came again
    } finally {
      unlinkSync(written);
    }
  }
}

/** Put the verdict into its queue, once. A record that cannot be read goes into the queue "dead". */
function handle(message: KafkaMessage, position: string, store: Store): void {
  try {
    const { id, verdict } = read(message);
    store.put(id, queueOf(verdict.decision), verdict.image_id);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    console.warn(`${position} cannot be read: ${error.message}`);
    store.put(position, "dead", error.message);
  }
}

function settings(): KafkaConfig {
  const protocol = environment["KAFKA_SECURITY_PROTOCOL"] ?? "PLAINTEXT";
  const authority = environment["KAFKA_SSL_CA"];
  const config: KafkaConfig = {
    clientId: "route-verdicts",
    brokers: (environment["KAFKA_BOOTSTRAP_SERVERS"] ?? "localhost:9092").split(","),
    ssl: protocol.endsWith("SSL") && (authority ? { ca: [readFileSync(authority)] } : true),
    logLevel: logLevel.WARN,
  };
  const username = environment["KAFKA_SASL_USERNAME"] ?? "";
  const password = environment["KAFKA_SASL_PASSWORD"] ?? "";
  switch (environment["KAFKA_SASL_MECHANISM"]) {
    case "SCRAM-SHA-512":
      return { ...config, sasl: { mechanism: "scram-sha-512", username, password } };
    case "SCRAM-SHA-256":
      return { ...config, sasl: { mechanism: "scram-sha-256", username, password } };
    case "PLAIN":
      return { ...config, sasl: { mechanism: "plain", username, password } };
    default:
      return config;
  }
}

const store = new Store(environment["STORE"] ?? "handled");
const consumer = new Kafka(settings()).consumer({
  groupId: environment["KAFKA_GROUP"] ?? "moderation",
  sessionTimeout: Number(environment["KAFKA_SESSION_TIMEOUT_MS"] ?? 10_000),
  heartbeatInterval: 1_000,
  maxWaitTimeInMs: 1_000, // there is no heartbeat while it waits for records
  maxBytesPerPartition: 4_194_304, // a verdict has at most 1 MiB
  readUncommitted: false, // or verdicts of aborted transactions are read too
});

async function eachBatch({ batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
  for (let start = 0; start < batch.messages.length; start += 20) {
    if (!isRunning() || isStale()) return; // what is left comes again, here or elsewhere
    const messages = batch.messages.slice(start, start + 20);
    for (const each of messages) handle(each, `${batch.topic}/${batch.partition}/${each.offset}`, store);
    // After handling, so that nothing is lost. If it fails, the records come again, and the store ignores them.
    const last = messages.at(-1)?.offset ?? "0";
    resolveOffset(last);
    const offset = String(BigInt(last) + 1n);
    await consumer.commitOffsets([{ topic: batch.topic, partition: batch.partition, offset }]);
    await heartbeat();
  }
}

async function stop(code: number): Promise<void> {
  await consumer.disconnect(); // waits for eachBatch and leaves the group, so that others take our partitions at once
  console.warn("stopped");
  process.exit(code);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void stop(0));
// kafkajs waits for brokers that are away, and tries again from the last commit after an error of the store. It gives up
// only at what does not pass by waiting, for example a wrong password.
consumer.on(consumer.events.CRASH, ({ payload }) => {
  console.error(payload.error);
  if (!payload.restart) void stop(1);
});
await consumer.connect();
await consumer.subscribe({ topics: [environment["VERDICTS_TOPIC"] ?? "vigilens.verdicts"], fromBeginning: true });
await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });

// Prints what the official parser makes of the AsyncAPI document in the first argument: its findings, and all messages.
const { Parser, fromFile } = require("@asyncapi/parser");

const WARNING = 1; // 0 is an error; 2 and 3 are hints
const plain = (value) =>
  JSON.parse(JSON.stringify(value ?? null, (key, each) => (key.startsWith("x-parser-") ? undefined : each)));

async function main() {
  const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
  const wrong = diagnostics.filter((each) => each.severity <= WARNING);
  const channels = {};
  for (const channel of document?.channels().all() ?? []) {
    const messages = {};
    for (const message of channel.messages().all()) {
      messages[message.id()] = {
        headers: plain(message.headers()?.json()),
        payload: plain(message.payload()?.json()),
        key: plain(message.bindings().get("kafka")?.value().key),
        examples: message.examples().all().map((each) => plain(each.json())),
      };
    }
    channels[channel.id()] = {
      address: channel.address(),
      kafka: plain(channel.bindings().get("kafka")?.value()),
      actions: channel.operations().all().map((each) => each.action()),
      messages,
    };
  }
  console.log(JSON.stringify({ wrong: wrong.map((each) => `${each.path.join(".")}: ${each.message}`), channels }));
}

main();

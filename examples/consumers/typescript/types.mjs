// Makes verdict.d.ts from the published schema: `npm run types`. With --check it only says whether that file is current.
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const schema = JSON.parse(readFileSync(new URL("../../../docs/verdict.schema.json", import.meta.url), "utf8"));
const file = new URL("verdict.d.ts", import.meta.url);

// Each titled property would become a type of its own: Kind, Kind1, Kind2. Only the objects keep their names.
for (const model of [schema, ...Object.values(schema.$defs)]) {
  for (const property of Object.values(model.properties ?? {})) delete property.title;
}
schema.properties.schema_version = { tsType: "`2.${number}`", description: "Later minor versions only add fields." };
const text = await compile(schema, "Verdict", {
  additionalProperties: true, // fields of later minor versions
  bannerComment: `// ${schema.$id}, made by \`npm run types\`. Do not edit it.`,
  style: { printWidth: 120 },
});
if (!process.argv.includes("--check")) {
  writeFileSync(file, text);
} else if (readFileSync(file, "utf8") !== text) {
  console.error("verdict.d.ts is older than docs/verdict.schema.json: npm run types");
  process.exitCode = 1;
}

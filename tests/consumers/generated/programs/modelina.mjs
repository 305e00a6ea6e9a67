// The types of an AsyncAPI document, by Modelina: modelina.mjs typescript|java DOCUMENT FOLDER

import { readFileSync } from "node:fs";
import { JAVA_JACKSON_PRESET, JavaFileGenerator, TypeScriptFileGenerator } from "@asyncapi/modelina";

const [language, path, folder] = process.argv.slice(2);
const document = JSON.parse(readFileSync(path, "utf8"));
if (language === "java") {
  const generator = new JavaFileGenerator({ presets: [JAVA_JACKSON_PRESET], collectionType: "List" });
  await generator.generateToFiles(document, folder, { packageName: "events" }, true);
} else {
  const generator = new TypeScriptFileGenerator({
    modelType: "interface",
    mapType: "record",
    rawPropertyNames: true,
  });
  await generator.generateToFiles(document, folder, { exportType: "named" }, true);
}

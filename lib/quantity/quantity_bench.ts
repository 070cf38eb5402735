import { parseQuantity } from "./mod.ts";

const texts = ["500m", "2", "4Gi", "1.5Gi", "10", "1e3", "100Mi", "0.1", "250m", "9223372036854775807"];
const quantities = texts.map((text) => parseQuantity(text));

Deno.bench(`parse ${texts.length} quantities`, () => {
  for (const text of texts) parseQuantity(text);
});

Deno.bench(`write ${texts.length} quantities`, () => {
  for (const quantity of quantities) quantity.toString();
});

Deno.bench(`add ${texts.length} quantities`, () => {
  quantities.reduce((sum, quantity) => sum.add(quantity));
});

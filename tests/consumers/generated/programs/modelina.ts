// Reads events with the interfaces that Modelina wrote, told apart by `sender` and `signal`.

import { answer, row } from "./account";
import { Category } from "./events/Category";
import { CategoryPostDelete } from "./events/CategoryPostDelete";
import { CategoryPostSave } from "./events/CategoryPostSave";
import { CategoryPreDelete } from "./events/CategoryPreDelete";
import { CategoryPreSave } from "./events/CategoryPreSave";
import { ImagePostDelete } from "./events/ImagePostDelete";
import { ImagePostSave } from "./events/ImagePostSave";
import { ImagePreDelete } from "./events/ImagePreDelete";
import { ImagePreSave } from "./events/ImagePreSave";
import { Product } from "./events/Product";
import { ProductM2mChanged } from "./events/ProductM2mChanged";
import { ProductPostDelete } from "./events/ProductPostDelete";
import { ProductPostSave } from "./events/ProductPostSave";
import { ProductPreDelete } from "./events/ProductPreDelete";
import { ProductPreSave } from "./events/ProductPreSave";
import { ProductViewed } from "./events/ProductViewed";
// `Image` is a class of every browser, so Modelina calls ours otherwise.
import { ReservedImage } from "./events/ReservedImage";

type Event =
  | (ProductPreSave | ProductPostSave | ProductPreDelete | ProductPostDelete)
  | (ImagePreSave | ImagePostSave | ImagePreDelete | ImagePostDelete)
  | (CategoryPreSave | CategoryPostSave | CategoryPreDelete | CategoryPostDelete)
  | ProductM2mChanged
  | ProductViewed;

const product = (it: Product): string =>
  `${it.name}/${it.price}/${it.currency}/v${it.version}` +
  `/${it.categories.length}/${it.images.flatMap((each) => each.variants).length}`;
const image = (it: ReservedImage): string =>
  `${it.content_type}/${it.width}x${it.height}/${it.variants.length}`;
const category = (it: Category): string => `${it.name}/${it.slug}/v${it.version}`;

answer((type, body) => {
  const event: Event = JSON.parse(body);
  if (event.signal === "viewed") {
    return [event.sender, event.signal, event.product_id, `viewer=${event.viewer}`];
  }
  if (event.signal === "m2m_changed") {
    const { action, field, pk_set } = event;
    return [...row(event, product), action, field, `pk_set=${pk_set?.length ?? null}`];
  }
  switch (event.sender) {
    case "catalog.product":
      return row(event, product);
    case "catalog.image":
      return row(event, image);
    case "catalog.category":
      return row(event, category);
  }
  throw new Error(`no reader for ${type}`);
});

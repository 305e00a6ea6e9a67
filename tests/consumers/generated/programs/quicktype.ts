// Reads events with the converters that quicktype wrote, which check each value when it is read.

import { answer, row } from "./account";
import { Convert } from "./events";

type ProductSave = ReturnType<typeof Convert.toProductPostSave>;
type ImageSave = ReturnType<typeof Convert.toImagePostSave>;
type CategorySave = ReturnType<typeof Convert.toCategoryPostSave>;

const product = (it: ProductSave["instance"]): string =>
  `${it.name}/${it.price}/${it.currency}/v${it.version}` +
  `/${it.categories.length}/${it.images.flatMap((each) => each.variants).length}`;
const image = (it: ImageSave["instance"]): string =>
  `${it.content_type}/${it.width}x${it.height}/${it.variants.length}`;
const category = (it: CategorySave["instance"]): string => `${it.name}/${it.slug}/v${it.version}`;

const accounts: Record<string, (body: string) => string[]> = {
  "catalog.product.pre_save.v1": (body) => row(Convert.toProductPreSave(body), product),
  "catalog.product.post_save.v1": (body) => row(Convert.toProductPostSave(body), product),
  "catalog.product.pre_delete.v1": (body) => row(Convert.toProductPreDelete(body), product),
  "catalog.product.post_delete.v1": (body) => row(Convert.toProductPostDelete(body), product),
  "catalog.product.m2m_changed.v1": (body) => {
    const event = Convert.toProductM2MChanged(body);
    const { action, field, pk_set } = event;
    return [...row(event, product), action, field, `pk_set=${pk_set?.length ?? null}`];
  },
  "catalog.product.viewed.v1": (body) => {
    const event = Convert.toProductViewed(body);
    return [event.sender, event.signal, event.product_id, `viewer=${event.viewer}`];
  },
  "catalog.image.pre_save.v1": (body) => row(Convert.toImagePreSave(body), image),
  "catalog.image.post_save.v1": (body) => row(Convert.toImagePostSave(body), image),
  "catalog.image.pre_delete.v1": (body) => row(Convert.toImagePreDelete(body), image),
  "catalog.image.post_delete.v1": (body) => row(Convert.toImagePostDelete(body), image),
  "catalog.category.pre_save.v1": (body) => row(Convert.toCategoryPreSave(body), category),
  "catalog.category.post_save.v1": (body) => row(Convert.toCategoryPostSave(body), category),
  "catalog.category.pre_delete.v1": (body) => row(Convert.toCategoryPreDelete(body), category),
  "catalog.category.post_delete.v1": (body) => row(Convert.toCategoryPostDelete(body), category),
};

answer((type, body) => {
  const account = accounts[type];
  if (account === undefined) {
    throw new Error(`no reader for ${type}`);
  }
  return account(body);
});

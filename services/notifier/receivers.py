"""The notifier's reactions to the catalog."""

import structlog

import contracts
from heliograph import Event, Park, post_delete, post_save, pre_delete, pre_save, receiver
from heliograph.crash import crash_point
from heliograph.database import Session
from heliograph.storage import ImageStore, is_key
from services.notifier.repositories.notifications import NotificationRepository
from services.notifier.repositories.products import ProductRepository, minor

log = structlog.stdlib.get_logger(__name__)


@receiver((post_save, post_delete), sender=contracts.Product)
async def email_new_product(event: Event[contracts.Product], session: Session) -> None:
    """Tell subscribers of a product that somebody created; an import would tell of thousands."""
    await ProductRepository(session).keep(event, gone=event.signal == post_delete.name)
    if event.created and event.origin != "import":
        await NotificationRepository(session).add_new_product(event)


@receiver(pre_save, sender=contracts.Product)
async def email_price_drop(event: Event[contracts.Product], session: Session) -> None:
    """Tell subscribers of a price below the last one in the same currency.

    And of the first price that is heard of, who subscribed before and finds it low enough.
    """
    products, notifications = ProductRepository(session), NotificationRepository(session)
    await products.keep(event)
    is_first = await products.is_first_price(event)
    before = await products.price_before(event)
    now = met = minor(event.instance)
    if _fell(event) and (before is None or now is None):
        raise Park(f"the prices cannot be compared: nobody knows {event.instance.currency}")
    if before is not None and now is not None and now < before:
        await notifications.add_price_drop(event, before, now)
        # A target between the two was crossed, and is told with the drop.
        met = before
    if is_first and met is not None:
        await notifications.add_met_targets(event, met)


def _fell(event: Event[contracts.Product]) -> bool:
    product, original = event.instance, event.original
    return (
        original is not None
        and original.currency == product.currency
        and product.price < original.price
    )


@receiver(pre_delete, sender=(contracts.Product, contracts.Image))
async def purge_images(
    event: Event[contracts.Product] | Event[contracts.Image], images: ImageStore
) -> None:
    """Delete the files of what was deleted, each by its key; one already gone is fine.

    Images that went with their product stand in its snapshot: its event takes their files.
    """
    if event.cascade == contracts.Product.sender_name:
        return
    instance = event.instance
    pictures = instance.images if isinstance(instance, contracts.Product) else (instance,)
    for key in (key for picture in pictures for key in picture.keys):
        if is_key(key):
            await images.delete(key)
            crash_point("purge.between_files")
        else:
            log.warning("not the key of an image, left alone", key=key[:80])

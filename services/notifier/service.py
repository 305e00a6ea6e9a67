"""The notifier, wired from its settings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from prometheus_client import Counter
from prometheus_client.registry import Collector

from heliograph import InvalidSetting
from heliograph.bus import Bus
from heliograph.http import Health
from heliograph.service import Part, Role, Service
from heliograph.storage import ImageStore, image_store
from services.notifier import models
from services.notifier.digests import DigestMaker
from services.notifier.emails.composer import Composer
from services.notifier.mail import connect
from services.notifier.mail.errors import MailDeferred
from services.notifier.mail.mailer import Mailer
from services.notifier.proxies import Proxies
from services.notifier.repositories.claims import Claims
from services.notifier.repositories.claims.letters import LetterBook
from services.notifier.repositories.notifications import MailBell
from services.notifier.repositories.outgoing import Outgoing
from services.notifier.retention import retentions
from services.notifier.sending.pace import Pace
from services.notifier.sending.spreader import Spreader
from services.notifier.sending.worker import MailWorker
from services.notifier.settings import NotifierSettings

if TYPE_CHECKING:
    from fastapi import APIRouter


def pace_of(settings: NotifierSettings) -> Pace:
    """How often people are written to, as the settings say."""
    return Pace(
        cooldown=settings.price_cooldown_seconds,
        settle=settings.settle_seconds,
        burst=settings.burst,
    )


def composer_of(settings: NotifierSettings) -> Composer:
    """The composer of the emails; raises `InvalidSetting` if a template of theirs is broken."""
    composer = Composer(
        settings.mail_from,
        settings.public_url,
        product_link=settings.product_link,
        templates=settings.templates,
    )
    if settings.templates is not None:
        from services.notifier.emails.samples import BrokenTemplate, try_templates

        try:
            try_templates(composer)
        except BrokenTemplate as error:
            raise InvalidSetting(f"NOTIFIER_TEMPLATES: {error}") from error
    return composer


class Notifier(Service):
    """Emails subscribers about products, and purges the files of what was deleted."""

    name: ClassVar[str] = "notifier"
    package: ClassVar[str] = "services.notifier"
    title: ClassVar[str] = "Heliograph notifier"
    description: ClassVar[str] = "Subscriptions, and the emails that were sent for them."
    crash_points: ClassVar[Mapping[str, str]] = {
        "mail.after_review": "emails are looked at again and leased, nothing is committed",
        "mail.after_merge": "an email that tells of several rows is leased, nothing of it is sent",
        "mail.before_data": "the mail server knows the recipient, the content is not sent",
        "mail.after_250": "the mail server has the email, our database does not know",
        "mail.between_records": "an email is recorded, what it told besides is not",
        "digest.before_commit": "digests are made and put on for the next time, not committed",
        "purge.between_files": "the first of an image's files is purged, others are not",
    }

    def __init__(
        self,
        settings: NotifierSettings,
        bus: Bus,
        *,
        images: ImageStore | None = None,
        mailer: Mailer | None = None,
    ) -> None:
        super().__init__(settings, bus, models.inbox, models.programs)
        if settings.catalog_user:
            self.announcers["catalog.events"] = settings.catalog_user
        if images is not None:
            self.images = images
        self._image_store_url = settings.image_store_url
        self.collaborators.add_later(ImageStore, lambda: self.images)
        self.mailer = mailer or connect.mailer(settings.smtp_url)
        self.collaborators.add(Mailer, self.mailer)
        kept = timedelta(days=settings.notifications_kept_days)
        self.pruned += retentions(self.database, kept)
        self.time_zone = settings.time_zone
        """Of everybody who has not said theirs."""
        self.proxies = Proxies(settings.trusted_proxies)
        self.digest_maker = DigestMaker(self.database, time_zone=settings.time_zone)
        self.mail_bell = MailBell("notifier_mail")
        self.bells.append(self.mail_bell)
        self.collaborators.add(MailBell, self.mail_bell)
        pace = pace_of(settings)
        self.collaborators.add(Pace, pace)
        self._mailed = Counter("mail", "Emails by outcome.", ("state",), registry=None)
        outgoing = Outgoing(self.database)
        self.backlogs.append(outgoing.backlog)
        self.composer = composer_of(settings)
        letters = LetterBook(self.composer)
        self.claims = Claims(self.database, letters, pace, locale=settings.locale)
        self.mail_worker = MailWorker(
            self.claims,
            outgoing,
            self.mailer,
            self.mail_bell,
            on_outcome=lambda state: self._mailed.labels(state).inc(),
        )
        self.spreader = Spreader(self.database, self.mail_bell)

    @cached_property
    def images(self) -> ImageStore:
        """Opened by who purges first: its client takes 4 MB, and most programs never do."""
        return image_store(self._image_store_url)

    def routers(self) -> "Sequence[APIRouter]":
        from services.notifier.api import routers

        return routers

    def measured(self, roles: Collection[Role]) -> list[Collector]:
        measured = super().measured(roles)
        if "work" in roles:
            measured.append(self._mailed)
        return measured

    def parts(self, roles: Collection[Role]) -> list[Part]:
        parts = super().parts(roles)
        if "work" in roles:
            parts += [self.digest_maker, self.spreader, self.mail_worker]
        return parts

    def health(self, roles: Collection[Role]) -> Health:
        health = super().health(roles)
        if "work" in roles:
            health.add("mail", self._check_mail, required=False)
        return health

    async def _check_mail(self) -> None:
        if self.mail_worker.trouble is not None:
            raise MailDeferred(self.mail_worker.trouble)

    async def close(self) -> None:
        await self.mailer.close()
        await super().close()

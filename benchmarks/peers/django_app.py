"""Django REST Framework that announces by `post_save`, `on_commit` and Celery.

Tuned as their documentation advises: no debug, no unused middleware or templates, JSON
only, a pool of connections to the database, one of the broker's, confirmed publishes.
"""

import os
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

_url = urlsplit(os.environ["BENCH_DATABASE_URL"])
settings.configure(
    DEBUG=False,
    SECRET_KEY="of the benchmarks",  # noqa: S106 - guards nothing
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="benchmarks.peers.django_app",
    INSTALLED_APPS=["rest_framework"],
    # It says how long an answer is; without it gunicorn sends chunks.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _url.path[1:],
            "USER": _url.username,
            "PASSWORD": _url.password or "",
            "HOST": _url.hostname,
            "PORT": _url.port,
            "OPTIONS": {"pool": {"min_size": 4, "max_size": 20}},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.contrib.postgres.indexes import GinIndex  # noqa: E402 - once Django is set up
from django.contrib.postgres.search import SearchVector, SearchVectorField  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.db.models.signals import post_save  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import generics, serializers  # noqa: E402


class Product(models.Model):
    """Something for sale, found by the same words and listed in the same orders as ours."""

    sku = models.TextField(unique=True)
    name = models.TextField()
    description = models.TextField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    words = models.GeneratedField(
        expression=SearchVector("name", "sku", "description", config="simple"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        app_label = "bench"
        indexes = (
            models.Index(fields=["created_at", "id"], name="product_created_at"),
            models.Index(fields=["name", "id"], name="product_name"),
            GinIndex(fields=["words"], name="product_words"),
        )


class ProductSerializer(serializers.ModelSerializer):
    """A product as JSON."""

    class Meta:
        model = Product
        exclude = ("words",)


class Products(generics.CreateAPIView):
    """Create a product, in a transaction."""

    queryset = Product.objects.all()
    serializer_class = ProductSerializer

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        serializer.save()


def announce(sender: type, instance: Product, created: bool, **kwargs: object) -> None:  # noqa: FBT001
    """Send a task once the transaction has committed."""
    from benchmarks.peers.celery_app import receive  # noqa: PLC0415 - only where a broker is

    event = {"created": created, "instance": ProductSerializer(instance).data}
    transaction.on_commit(lambda: receive.delay(event))


def note(sender: type, instance: Product, **kwargs: object) -> None:
    """Do nothing: a receiver that costs nothing of its own."""


def migrate() -> None:
    """Make the table."""
    with connection.schema_editor() as editor:
        editor.create_model(Product)


def save(count: int) -> None:
    """Save products one by one in a transaction, and print the reading."""
    post_save.connect(note, sender=Product)
    Product.objects.all().delete()
    products = [
        Product(sku=f"SKU-{n}", name="Lamp", description="Gives light. " * 10, price="19.99",
                currency="EUR")
        for n in range(count)
    ]  # fmt: skip
    began, cpu = time.perf_counter(), time.process_time()
    with transaction.atomic():
        for product in products:
            product.save()
    print(count, time.perf_counter() - began, time.process_time() - cpu)


urlpatterns = [path("products/", Products.as_view())]
if "BENCH_BUS_URL" in os.environ:
    post_save.connect(announce, sender=Product)
application = get_wsgi_application()

if __name__ == "__main__":
    if sys.argv[1] == "migrate":
        migrate()
    else:
        save(int(sys.argv[2]))

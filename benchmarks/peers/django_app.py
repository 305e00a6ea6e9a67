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
from django.apps import AppConfig
from django.conf import settings

import benchmarks.peers


class Bench(AppConfig):
    """The models' app: only if it is installed do a product's images know that they are."""

    label = "bench"


_url = urlsplit(os.environ["BENCH_DATABASE_URL"])
settings.configure(
    DEBUG=False,
    SECRET_KEY="of the benchmarks",  # noqa: S106 - guards nothing
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="benchmarks.peers.django_app",
    INSTALLED_APPS=["rest_framework", Bench("benchmarks.peers", benchmarks.peers)],
    # It says how long an answer is; without it gunicorn sends chunks.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    TIME_ZONE="UTC",
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

from django.contrib.postgres.search import SearchQuery  # noqa: E402 - once Django is set up
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models.signals import post_delete, post_save  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import generics, pagination, serializers  # noqa: E402

from benchmarks.peers.django_models import Category, Image, Product  # noqa: E402

PUBLIC_URL = "https://catalog.example"


class ProductSerializer(serializers.ModelSerializer):
    """A product without what belongs to it, as JSON."""

    class Meta:
        model = Product
        exclude = ("words", "categories")


class ImageSerializer(serializers.ModelSerializer):
    """A picture as JSON, with its link."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = Image
        exclude = ("product", "created_at")

    def get_url(self, image: Image) -> str:
        return f"{PUBLIC_URL}/v1/images/{image.key}"


class WholeSerializer(serializers.ModelSerializer):
    """A product as ours is: with its link, its pictures, and the ids of its categories."""

    url = serializers.SerializerMethodField()
    images = ImageSerializer(many=True, read_only=True)
    categories = serializers.PrimaryKeyRelatedField(many=True, read_only=True)

    class Meta:
        model = Product
        exclude = ("words",)

    def get_url(self, product: Product) -> str:
        return f"{PUBLIC_URL}/v1/products/{product.pk}"


WHOLE = Product.objects.defer("words").prefetch_related("images", "categories")


class Products(generics.CreateAPIView):
    """Create a product, in a transaction."""

    queryset = Product.objects.all()
    serializer_class = ProductSerializer

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        serializer.save()


class OneProduct(generics.UpdateAPIView, generics.DestroyAPIView):
    """Change or delete a product, in a transaction that locks it, as ours does."""

    queryset = WHOLE.select_for_update()
    serializer_class = WholeSerializer

    @transaction.atomic
    def update(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().update(request, *args, **kwargs)

    @transaction.atomic
    def destroy(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().destroy(request, *args, **kwargs)


class Newest(pagination.CursorPagination):
    """Pages by a cursor, the newest products first."""

    page_size_query_param = "limit"
    page_size = max_page_size = 200
    ordering = ("-created_at", "-id")


class Listing(generics.ListAPIView):
    """A page of products, or of those that have some words, the last one begun."""

    serializer_class = WholeSerializer
    pagination_class = Newest

    def get_queryset(self) -> Any:
        words = self.request.query_params.get("q")
        if words is None:
            return WHOLE.all()
        query = " & ".join(words.split()) + ":*"
        return WHOLE.filter(words=SearchQuery(query, config="simple", search_type="raw"))


def announce(sender: type, instance: Product, **kwargs: object) -> None:
    """Send a task once the transaction has committed."""
    from benchmarks.peers.celery_app import receive  # noqa: PLC0415 - only where a broker is

    created = kwargs.get("created", False)
    # A new product has nothing yet to look for.
    serializer = ProductSerializer if created else WholeSerializer
    event = {"created": created, "instance": serializer(instance).data}
    transaction.on_commit(lambda: receive.delay(event))


def note(sender: type, instance: Product, **kwargs: object) -> None:
    """Do nothing: a receiver that costs nothing of its own."""


def migrate() -> None:
    """Make the tables."""
    with connection.schema_editor() as editor:
        for model in (Category, Product, Image):
            editor.create_model(model)


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


urlpatterns = [
    path("products/", Products.as_view()),
    path("products/<int:pk>/", OneProduct.as_view()),
    path("listing/", Listing.as_view()),
]
if "BENCH_BUS_URL" in os.environ:
    for signal in (post_save, post_delete):
        signal.connect(announce, sender=Product)
application = get_wsgi_application()

if __name__ == "__main__":
    if sys.argv[1] == "migrate":
        migrate()
    else:
        save(int(sys.argv[2]))

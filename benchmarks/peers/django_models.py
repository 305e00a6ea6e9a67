"""Django's products, found by the same words and listed in the same orders as ours."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models


class Category(models.Model):
    """A shelf."""

    name = models.TextField()
    slug = models.TextField(unique=True)

    class Meta:
        app_label = "bench"


class Product(models.Model):
    """Something for sale."""

    sku = models.TextField(unique=True)
    name = models.TextField()
    description = models.TextField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    categories = models.ManyToManyField(Category)
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


class Image(models.Model):
    """A picture of a product."""

    product = models.ForeignKey(Product, models.CASCADE, related_name="images")
    key = models.TextField(unique=True)
    content_type = models.TextField()
    width = models.IntegerField()
    height = models.IntegerField()
    bytes = models.IntegerField()
    variants = models.JSONField()
    position = models.IntegerField()
    alt = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bench"
        ordering = ("position", "id")

INSERT INTO bench_category (name, slug)
SELECT 'Shelf ' || n, 'shelf-' || n
FROM generate_series(1, 20) AS n;

INSERT INTO bench_product_categories (product_id, category_id)
SELECT product.id, shelf.id
FROM
    (SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM bench_product) AS product
    JOIN (SELECT id, row_number() OVER () AS n FROM bench_category) AS shelf
        ON shelf.n % 10 = product.n % 10;

INSERT INTO bench_image (
    product_id, key, content_type, width, height, bytes, variants, position, alt, created_at
)
SELECT
    product.id, product.id || '/' || place || '.jpg', 'image/jpeg',
    1600, 1200, 300000, '[{"name": "small", "key": "small.jpg", "width": 160, "height": 120}]',
    place, 'A lamp', now()
FROM bench_product AS product, generate_series(1, 2) AS place;

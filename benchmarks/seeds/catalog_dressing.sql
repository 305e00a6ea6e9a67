INSERT INTO category (id, name, slug, version, created_at, updated_at)
SELECT gen_random_uuid(), 'Shelf ' || n, 'shelf-' || n, 1, now(), now()
FROM generate_series(1, 20) AS n;

INSERT INTO product_category (product_id, category_id)
SELECT product.id, shelf.id
FROM
    (SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM product) AS product
    JOIN (SELECT id, row_number() OVER () AS n FROM category) AS shelf
        ON shelf.n % 10 = product.n % 10;

INSERT INTO image (
    id, product_id, key, content_type, width, height, bytes, variants, position, alt, created_at
)
SELECT
    gen_random_uuid(), product.id, product.id || '/' || place || '.jpg', 'image/jpeg',
    1600, 1200, 300000, '[{"name": "small", "key": "small.jpg", "width": 160, "height": 120}]',
    place, 'A lamp', now()
FROM product, generate_series(1, 2) AS place;

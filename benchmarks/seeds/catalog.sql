TRUNCATE product, category CASCADE;

INSERT INTO product (
    id, sku, name, description, price_minor, currency, version, created_at, updated_at
)
SELECT
    gen_random_uuid(), 'SKU-' || n, 'Lamp series' || lpad((n / 50)::text, 5, '0'),
    repeat('Gives light. ', 10), 1999, 'EUR', 1,
    now() - n * interval '1 minute', now() - n * interval '1 minute'
FROM generate_series(1, {count}) AS n;

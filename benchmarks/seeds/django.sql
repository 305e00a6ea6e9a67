TRUNCATE bench_product, bench_category CASCADE;

INSERT INTO bench_product (sku, name, description, price, currency, created_at, updated_at)
SELECT
    'SKU-' || n, 'Lamp series' || lpad((n / 50)::text, 5, '0'),
    repeat('Gives light. ', 10), 19.99, 'EUR',
    now() - n * interval '1 minute', now() - n * interval '1 minute'
FROM generate_series(1, {count}) AS n;

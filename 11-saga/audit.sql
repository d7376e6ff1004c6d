WITH money AS (
    SELECT order_id, sum(amount) AS total, count(*) FILTER (WHERE amount > 0) AS times
    FROM payment.journal GROUP BY order_id
), goods AS (
    SELECT order_id, sum(amount) AS total, count(*) FILTER (WHERE amount > 0) AS times
    FROM inventory.journal GROUP BY order_id
), parcels AS (
    SELECT order_id, sum(amount) AS total, count(*) FILTER (WHERE amount > 0) AS times
    FROM shipping.journal GROUP BY order_id
), books AS (
    SELECT o.state, o.cents, o.pieces,
           coalesce(m.total, 0) AS money, coalesce(g.total, 0) AS goods,
           coalesce(p.total, 0) AS parcels,
           greatest(m.times, g.times, p.times) AS times
    FROM website.orders o
    LEFT JOIN money m USING (order_id)
    LEFT JOIN goods g USING (order_id)
    LEFT JOIN parcels p USING (order_id)
), kept AS (
    SELECT money FROM books
    WHERE state = 'Cancelled' AND (money <> 0 OR goods <> 0 OR parcels <> 0)
)
SELECT count(*),
       count(*) FILTER (WHERE state = 'Accepted'),
       count(*) FILTER (WHERE state = 'Cancelled'),
       count(*) FILTER (WHERE state = 'Parked'),
       count(*) FILTER (WHERE state NOT IN ('Accepted', 'Cancelled', 'Parked')),
       count(*) FILTER (WHERE times > 1),
       count(*) FILTER (WHERE state = 'Accepted'
                          AND (money < cents OR goods < pieces OR parcels < 1)),
       (SELECT count(*) FROM kept),
       (SELECT coalesce(sum(money), 0)::bigint FROM kept),
       (SELECT count(DISTINCT order_id) FROM (
            SELECT order_id FROM money UNION ALL SELECT order_id FROM goods
            UNION ALL SELECT order_id FROM parcels) effects
        WHERE order_id NOT IN (SELECT order_id FROM website.orders)),
       ((SELECT coalesce(sum($1::bigint - quantity), 0) FROM inventory.stock)
        - (SELECT coalesce(sum(amount), 0) FROM inventory.journal))::bigint
FROM books

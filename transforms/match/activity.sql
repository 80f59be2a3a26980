-- What each device of a stream and bucket did inside the window. `fingerprint` tells whether two devices reported at
-- exactly the same instants. `even_us` is the sampling interval of a device whose stamps are evenly spaced, which the
-- sums of an arithmetic progression show without sorting; the few others are looked at in edges.sql.

SELECT
    device_no,
    n,
    first_ts,
    last_ts,
    fingerprint,
    CASE WHEN n > 1 AND span % (n - 1) = 0
          AND 2 * total = span * n
          AND 6 * (n - 1) * squares = CAST(span AS HUGEINT) * span * n * (2 * n - 1)
        THEN CAST(span // (n - 1) AS BIGINT) * 1000 END AS even_us
FROM (
    SELECT *, last_ms - first_ms AS span, sum_ms - n * first_ms AS total,
        sum_ms2 - 2 * first_ms * sum_ms + n * CAST(first_ms AS HUGEINT) * first_ms AS squares
    FROM (
        SELECT
            device_no,
            count(*) AS n,
            min(ts) AS first_ts,
            max(ts) AS last_ts,
            bit_xor(hash(epoch_us(ts))) AS fingerprint,
            min(ms) AS first_ms,
            max(ms) AS last_ms,
            sum(ms) AS sum_ms,
            sum(ms * ms) AS sum_ms2
        FROM (SELECT device_no, ts, (epoch_us(ts) - {start_us}) // 1000 AS ms FROM {view})
        GROUP BY device_no
    )
)

-- What each device of a stream and bucket did inside the window. `fingerprint` tells whether two devices reported at
-- exactly the same instants; the four first and last stamps give the sampling interval without sorting all of them.

SELECT
    device_no,
    count(*) AS n,
    min(ts) AS first_ts,
    max(ts) AS last_ts,
    bit_xor(hash(epoch_us(ts))) AS fingerprint,
    list_concat(min(epoch_us(ts), 4), list_reverse(max(epoch_us(ts), 4))) AS edge_stamps_us
FROM {view}
GROUP BY device_no

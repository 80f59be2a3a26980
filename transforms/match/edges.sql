-- The sampling interval of devices whose stamps are not evenly spaced: the median gap among the four first and the four
-- last stamps, which gaps in between do not touch.

SELECT device_no, list_aggregate(list_filter(gaps, lambda gap: gap > 0), 'quantile_disc', 0.5) AS edge_us
FROM (
    SELECT device_no, list_concat(
        list_transform(range(1, len(head)), lambda i: head[i + 1] - head[i]),
        list_transform(range(1, len(tail)), lambda i: tail[i] - tail[i + 1])) AS gaps
    FROM (
        SELECT device_no, min(epoch_us(ts), 4) AS head, max(epoch_us(ts), 4) AS tail
        FROM {view} SEMI JOIN uneven USING (device_no)
        GROUP BY device_no
    )
)

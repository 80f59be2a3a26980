-- The readings of one stream and bucket, as the lake has them: three kinds of devices, those that report mean flow,
-- cumulative registers, and instantaneous signals, end up alike in what is built on this view.

CREATE OR REPLACE TEMP VIEW {view}_read AS
{readings};

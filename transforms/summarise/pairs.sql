-- The single pairs of a few meters, for plots and second looks.

SELECT w.feature_code, p.ts AS timestamp, p.q_lph, p.q_meter_lph
FROM paired AS p JOIN codes AS w USING (meter_no)
ORDER BY w.feature_code, p.ts

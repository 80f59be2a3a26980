"""Judge: from moments to verdicts, a whole bucket at once."""

from transforms.judge.calibration import calibration_status
from transforms.judge.verdict import judge_bucket, judge_silent, set_aside, set_changed_aside

__all__ = ["calibration_status", "judge_bucket", "judge_silent", "set_aside", "set_changed_aside"]

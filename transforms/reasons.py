"""The one vocabulary of reason codes, and what each says to a person."""

from __future__ import annotations

#: why a meter got its verdict
VERDICT_REASONS: dict[str, str] = {
    "within_mpe": "every flow zone with evidence is inside the maximum permissible error, uncertainty counted",
    "offset_in_band": "the differences keep one sign and lie in the preset threshold range; a constant offset explains them",
    "linear_in_band": "the differences keep one sign and lie in the preset threshold range; a straight line explains them",
    "offset_mapping": "a constant offset carries the reference to the meter with no more scatter than is normal",
    "linear_mapping": "a straight line carries the reference to the meter with no more scatter than is normal",
    "curve_mapping": "an increasing curve carries the reference to the meter with no more scatter than is normal",
    "scatter": "the readings scatter more than repeatability and resolution explain",
    "drifting": "the relation to the reference changes from one part of the window to the next",
    "step": "the relation to the reference changes at one moment within the window",
    "dropout": "the meter shows nothing at some of the instants at which water flows",
    "reverse_flow": "a register runs backwards now and then: water flows back",
    "stuck": "the meter's reading does not move while water flows",
    "clock_skew": "the meter follows the reference with a lag: the clocks disagree",
    "too_few_pairs": "too few instants have both a meter and a reference reading",
    "no_flow": "too little water flowed to judge the meter",
    "undecided": "the evidence neither puts the meter inside nor outside the permissible error",
    "parameters_changed": "the meter's parameters changed within the window",
    "not_installed": "the meter was installed after the window",
    "decommissioned": "the meter was taken out of use before the window",
    "reference_expired": "the reference flowmeter was not calibrated within the permitted time before the window's end",
    "reference_missing": "no reference flowmeter reported for this meter",
    "reference_unregistered": "the reference flowmeter is not in flowmeters.csv, so nothing shows that it is calibrated",
    "reference_coarse": "the reference shows flows in steps so large that a sound meter beside it would show the same",
    "meter_coarse": "the meter's readings come in steps so large, for its model, that a sound meter would show the same",
    "meter_cut_off": "the meter's readings come in steps so large, for its model, that what they cut off may be all it is off by",
    "meter_missing": "the meter did not report, or nothing that tells a flow",
    "unregistered": "the feature code is not in meters.csv",
    "pairing_conflict": "the flowmeter's own record and the preset correspondence disagree about which meter it watches",
}

#: why a command did not go out, or a visit is needed although the deviation is steady
GUARD_REASONS: dict[str, str] = {
    "beyond_limits": "the correction would be larger than the model allows: a meter that far off has not drifted",
    "not_increasing": "the relation measured does not increase with the flow, so no parameters undo it",
    "imprecise": "the parameters are not yet known well enough to keep the corrected meter inside the permissible error; "
    "more flow is needed",
    "unproven": "water flowed at too few instants, or in too small a part of the window, to show that the relation is stable",
    "marginal": "the deviation is too close to the permissible error for a command; the next windows will tell",
    "reference_suspect": "the references calibrated together with this one all see the same deviation: they are likelier "
    "at fault than the meters",
    "reference_shared": "its flowmeter's records name other meters for the same time as well, and it is clamped on one "
    "pipe; mend what names them, or give each flowmeter an id of its own",
    "contradicted": "dumps say different things of many of the readings; mend or take away the source that is wrong, for what "
    "only one of them tells is no ground for a command",
    "unclear_answers": "it says that it carried out a command that is not on record here, or both that it carried one out "
    "and that it did not: which parameters it uses is not known; restore what is missing of the outbox, or see to the meter",
    "breaker": "too large a share of the fleet would be commanded at once: the reference or the dumps are likelier at fault",
    "unconfirmed": "the deviation has not yet been seen in as many windows as the policy asks for",
    "late_data": "the readings that tell of it came late; the newest window decides whether a command goes out",
    "stale_window": "a later window has been judged already, so nothing is sent for this one",
    "changed_since": "the meter's parameters have changed since the window, which tells of the old ones",
    "attempts_spent": "as many commands as the policy allows have not cured the meter",
    "no_answer": "commands expire unanswered time after time: the meter or its gateway cannot be reached",
    "in_flight": "an earlier command to this meter has not been answered yet",
    "expired": "the command was held for longer than it would have had to be carried out",
    "meter_exchanged": "the meter is no longer in use, or was exchanged or registered anew",
}

#: what stands in a meter's register that gives no flow, or one to look at twice
REGISTER_REASONS: dict[str, str] = {
    "register_coarse": "the register counts in steps too large to tell the flow of single intervals, so it gives no flow",
    "register_frozen": "the register does not move; where water flows that is a stuck meter",
    "register_rollover": "the register came to its stated width and began again at zero; the flow goes on across it",
    "register_width_unknown": "the register seems to have begun again at zero, but its width is not known: that step gives no "
    "flow; enter rollover_l in meters.csv or models.toml",
    "register_reset": "the register fell to less than half: a reset or an exchange; that step gives no flow",
    "register_backwards": "the register ran back a little: a flow below zero",
    "register_gap": "the register moved on while readings were missing: volume without a time, which gives no flow",
    "register_jump": "the register jumped by more than the meter can pass: that step gives no flow",
}

#: why an audit flags a meter, besides the reasons for an unsteady verdict
AUDIT_REASONS: dict[str, str] = {
    "outside_in_service": "its error is outside the limits for meters in service, uncertainty counted",
    "outside_mpe": "its error is outside the maximum permissible error, uncertainty counted",
    "drifts_out": "its error drifts and will cross the permissible error within a year",
    "was_outside": "it was outside the permissible error or unsteady for a time, and no longer is",
    "one_sided": "all its errors have one sign and none is within half of its limit: it favours one party",
}

#: why a raw row was set aside
QUARANTINE_REASONS: dict[str, str] = {
    "no_feature_code": "the row names no meter (and no flowmeter)",
    "bad_feature_code": "the identifier is too long or holds control characters",
    "bad_timestamp": "the time stamp cannot be read",
    "no_offset": "the time stamp has no offset and the source names no time zone",
    "ambiguous_local_time": "the local time does not exist or exists twice on that day",
    "folded_hour": "the row tells of both hours that the clock showed twice, and neither can be told from it",
    "implausible_time": "the time stamp lies outside 2000 to 2100",
    "future": "the time stamp lies in the future",
    "flagged": "the export itself marks the value as estimated or faulty",
    "no_value": "the row has neither a flow nor a register reading",
    "not_a_number": "the value is not a number",
    "not_finite": "the value is not finite",
    "negative": "the value is below zero",
    "absurd": "the value is far beyond what any registered model can measure",
    "unknown_unit": "the unit is not one that is known",
    "wrong_column_count": "the row has more or fewer fields than the header",
    "not_utf8": "the row is not valid text in the stated encoding",
    "line_too_long": "the line is longer than any reading can be",
    "bad_row": "the row cannot be parsed",
    "bad_json": "the line is not a JSON object",
    "bad_frame": "the run-length frame lacks a key or a key has the wrong form",
    "frame_too_long": "the run-length frame would expand beyond the limit",
    "bad_version": "what tells the newer of two readings cannot be read",
    "conflicting": "another reading of the same device at the same instant has another value",
    "bad_file_name": "the file's name lacks what its source takes from it",
    "missing_column": "the file lacks a required column",
    "duplicate_column": "the file's header names a column twice",
    "wrong_type": "a column of the file has a type that cannot hold what it should",
    "unreadable_file": "the file cannot be read to its end",
}

#: why a file below raw/ was not read at all
IGNORED_REASONS: dict[str, str] = {
    "bad_name": "its name is not valid UTF-8; rename it",
    "not_a_file": "it is no ordinary file",
    "outside_raw": "it is a link to a place outside raw/, which is not followed",
    "unknown_format": "its name ends in no known format: .csv, .jsonl, .ndjson or .parquet, text also with .gz or .zst",
    "unreadable": "it may not be opened; check its permissions",
}

#: why a photo or clip of a display was refused, or goes to a person
PHOTO_REASONS: dict[str, str] = {
    "not_a_picture": "the file is no JPEG, PNG or MP4, whatever its name says",
    "truncated_picture": "the file ends before its end: it arrived incomplete",
    "picture_too_large": "the picture is larger than a photo of a display has to be; nothing of it was decoded",
    "clip_too_long": "the clip is longer than a look at a display has to be",
    "unreadable_picture": "the file cannot be decoded",
    "reader_failed": "the reader failed on this file or took too long",
    "no_screen": "the meter's model lists no screens, so there is no format that a reading could have",
    "no_display": "no row of digits of the screen's length was found",
    "other_format": "what is shown has more digits than the screen",
    "digit_hidden": "a digit is missing, hidden or washed out by light",
    "opinions_differ": "the two ways of reading give different digits",
    "unclear_digits": "the digits are not clear enough to be taken without a person",
    "ambiguous_screen": "the reading fits several of the model's screens",
    "frames_differ": "the frames of the clip do not agree",
}


#: why a line about a photo or a review was not used, and what became of a reading
READING_REASONS: dict[str, str] = {
    "bad_manifest_line": "the line of the manifest cannot be read",
    "bad_review": "the line about a review cannot be used",
    "foreign_terminal": "the terminal is not one that terminals.csv binds to this feature code",
    "bad_file_name": "the file's name leads out of raw/images, is a link, or is not that of a finished file",
    "missing_file": "the file that the manifest names is not there (yet)",
    "future": "the photo is dated later than the run; it is taken in once that time has come",
    "claimed_twice": "the same picture is claimed for several meters",
    "no_engine": "photos cannot be read here: the extra meterwright[photos] is not installed",
    "nothing_read": "no number was found on the picture",
    "bad_format": "what was read does not fit the display's digits and decimals",
    "unsure": "the number cannot be read safely",
    "unchecked": "nothing that the meter sent around that time tells whether the reading is plausible",
    "implausible": "the reading is far from what the meter itself sent around that time",
    "read": "read by machine, and plausible",
    "reviewed": "a person looked at it",
    "display_differs": "the display shows another value than the meter sent by wire at the same time",
}


def sentence(code: str) -> str:
    """What a reason code says, as a clause without a full stop. Unknown codes are shown as themselves."""
    for vocabulary in (
        VERDICT_REASONS,
        GUARD_REASONS,
        AUDIT_REASONS,
        REGISTER_REASONS,
        QUARANTINE_REASONS,
        IGNORED_REASONS,
        PHOTO_REASONS,
        READING_REASONS,
    ):
        if code in vocabulary:
            return vocabulary[code]
    return code.replace("_", " ")


def photo_sentence(code: str) -> str:
    """The same of a photo, or of a line about one: some codes say something else of dumps."""
    return READING_REASONS.get(code) or sentence(code)

"""Notices: what a customer's terminal is told, in the terminal's language and without a technical word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from transforms.canonical import digest_of
from transforms.windows import iso, parse_time

SCHEMA = "meterwright.notice/1"

#: kind -> language -> text; {begin} and {end} are instants in UTC, {meter} the feature code
TEXTS: dict[str, dict[str, str]] = {
    "self_maintenance": {
        "en": "Your water meter {meter} will check and adjust itself between {begin} and {end} (UTC). Nobody needs to "
        "visit you. Please pause water use while the meter's display shows that it is checking itself.",
        "zh": "您的水表 {meter} 将于 {begin} 至 {end}（UTC 时间）之间进行自检和自动调整，无需工作人员上门。"
        "水表显示正在自检时，请您暂停用水。",
        "es": "Su contador de agua {meter} se revisará y ajustará solo entre {begin} y {end} (UTC). No hace falta que "
        "nadie le visite. Por favor, no use agua mientras la pantalla del contador indique que se está revisando.",
        "fr": "Votre compteur d'eau {meter} se contrôlera et s'ajustera lui-même entre {begin} et {end} (UTC). Aucune "
        "visite n'est nécessaire. Merci de ne pas utiliser d'eau tant que l'écran du compteur indique le contrôle.",
        "de": "Ihr Wasserzähler {meter} prüft und justiert sich zwischen {begin} und {end} (UTC) selbst. Ein Besuch "
        "ist nicht nötig. Bitte entnehmen Sie kein Wasser, solange die Anzeige des Zählers die Prüfung meldet.",
    },
    "photo_request": {
        "en": "Your water meter {meter} has adjusted itself. Please send us a photo or a short video of its display by {end} "
        "(UTC), so that we can see that all is well.",
        "zh": "您的水表 {meter} 已完成自动调整。请在 {end}（UTC 时间）前发送一张水表显示屏的照片或一段短视频，"
        "以便我们确认水表工作正常。",
        "es": "Su contador de agua {meter} se ha ajustado. Envíenos por favor antes del {end} (UTC) una foto o un vídeo breve "
        "de su pantalla, para que veamos que todo está en orden.",
        "fr": "Votre compteur d'eau {meter} s'est ajusté. Merci de nous envoyer avant le {end} (UTC) une photo ou une courte "
        "vidéo de son écran, afin que nous voyions que tout va bien.",
        "de": "Ihr Wasserzähler {meter} hat sich justiert. Bitte senden Sie uns bis {end} (UTC) ein Foto oder kurzes Video der "
        "Anzeige, damit wir sehen, dass alles in Ordnung ist.",
    },
    "done": {
        "en": "Your water meter {meter} has finished checking itself and measures correctly. Thank you; there is nothing more "
        "for you to do.",
        "zh": "您的水表 {meter} 已完成自检，计量准确。感谢您的配合，您无需再做任何操作。",
        "es": "Su contador de agua {meter} ha terminado de revisarse y mide correctamente. Gracias; no tiene que hacer nada más.",
        "fr": "Votre compteur d'eau {meter} a terminé son contrôle et mesure correctement. Merci; vous n'avez plus rien à faire.",
        "de": "Ihr Wasserzähler {meter} hat die Prüfung beendet und misst richtig. Vielen Dank; Sie müssen nichts weiter tun.",
    },
    "visit": {
        "en": "Your water meter {meter} needs to be looked at by a technician. We will contact you to agree on a time.",
        "zh": "您的水表 {meter} 需要技术人员上门检查，我们将与您联系约定时间。",
        "es": "Un técnico debe revisar su contador de agua {meter}. Nos pondremos en contacto para acordar una cita.",
        "fr": "Votre compteur d'eau {meter} doit être examiné par un technicien. Nous vous contacterons pour convenir "
        "d'un rendez-vous.",
        "de": "Ihr Wasserzähler {meter} muss von einer Fachkraft angesehen werden. Wir melden uns für einen Termin.",
    },
}
FALLBACK = "en"


def language_for(wanted: str | None, kind: str) -> str:
    """The language a text is written in: the one wanted if there is such a text (``zh-CN`` counts as ``zh``)."""
    primary = (wanted or "").replace("_", "-").split("-")[0].lower()
    return primary if primary in TEXTS[kind] else FALLBACK


def notices_for(
    kind: str,
    subjects: Sequence[Mapping[str, Any]],
    terminals: Mapping[str, Sequence[Mapping[str, str]]],
    begin: datetime,
    end: datetime,
) -> list[dict[str, Any]]:
    """One notice for each terminal bound to each subject's meter.

    Parameters
    ----------
    kind : str
        A key of `TEXTS`.
    subjects : sequence of mapping
        Commands, effects or work orders: what the notice is about.
    terminals : mapping
        Feature code -> terminals (``terminal_id``, ``channel``, ``language``).
    begin, end : datetime
        The span the notice speaks of.
    """
    span = {"begin": _plain(begin), "end": _plain(end)}
    times = {"not_before": iso(begin), "expires_at": iso(end)}
    found = []
    for subject in subjects:
        code = subject["feature_code"]
        for terminal in terminals.get(code, ()):
            language = language_for(terminal["language"], kind)
            about = {
                "terminal_id": terminal["terminal_id"],
                "feature_code": code,
                "command_id": subject.get("command_id"),
                "kind": kind,
            }
            found.append(
                {
                    "schema": SCHEMA,
                    "notice_id": digest_of({**about, "order_id": subject.get("order_id")}, "n"),
                    "terminal_id": terminal["terminal_id"],
                    "channel": terminal["channel"],
                    "language": language,
                    "feature_code": code,
                    "command_id": subject.get("command_id"),
                    "kind": kind,
                    "text": TEXTS[kind][language].format(meter=code, **span),
                    "parameters": _parameters(subject),
                    **times,
                }
            )
    return found


def open_until(notices: Sequence[Mapping[str, Any]]) -> str | None:
    """When the last of some notices ends, as a manifest has it; None where there is none."""
    ends = (parse_time(notice["expires_at"]) for notice in notices)
    last = max(ends, default=None)
    return iso(last) if last else None


def _parameters(subject: Mapping[str, Any]) -> dict[str, Any] | None:
    if "correction" not in subject:
        return None
    return {"a1": subject["a1"], "a2": subject["a2"], "correction": subject["correction"]}


def _plain(moment: datetime) -> str:
    return parse_time(iso(moment)).strftime("%Y-%m-%d %H:%M")

"""What a customer is told of an audit of their meter, in the languages that notices are written in, without jargon."""

from __future__ import annotations

from typing import Final

#: key -> language -> text. {meter} is the feature code, the rest are finished numbers and dates
TEXTS: Final[dict[str, dict[str, str]]] = {
    "title": {
        "en": "Your water meter {meter}",
        "zh": "您的水表 {meter}",
        "es": "Su contador de agua {meter}",
        "fr": "Votre compteur d'eau {meter}",
        "de": "Ihr Wasserzähler {meter}",
    },
    "period": {
        "en": "Checked from {begin} to {end}",
        "zh": "检查时间：{begin}至{end}",
        "es": "Revisado del {begin} al {end}",
        "fr": "Contrôlé du {begin} au {end}",
        "de": "Geprüft vom {begin} bis {end}",
    },
    "right": {
        "en": "Your meter measures correctly.",
        "zh": "您的水表计量准确。",
        "es": "Su contador mide correctamente.",
        "fr": "Votre compteur mesure correctement.",
        "de": "Ihr Zähler misst richtig.",
    },
    "high": {
        "en": "Your meter measures too much: about {share} litres too many in every 100 litres.",
        "zh": "您的水表计量偏多：每 100 升大约多计 {share} 升。",
        "es": "Su contador mide de más: unos {share} litros de más por cada 100 litros.",
        "fr": "Votre compteur mesure trop : environ {share} litres de trop pour 100 litres.",
        "de": "Ihr Zähler misst zu viel: etwa {share} Liter zu viel auf 100 Liter.",
    },
    "low": {
        "en": "Your meter measures too little: about {share} litres too few in every 100 litres.",
        "zh": "您的水表计量偏少：每 100 升大约少计 {share} 升。",
        "es": "Su contador mide de menos: unos {share} litros de menos por cada 100 litros.",
        "fr": "Votre compteur mesure trop peu : environ {share} litres de moins pour 100 litres.",
        "de": "Ihr Zähler misst zu wenig: etwa {share} Liter zu wenig auf 100 Liter.",
    },
    "recovered": {
        "en": "Your meter measures correctly now. Before {since} it did not.",
        "zh": "您的水表现在计量准确。{since}之前计量有偏差。",
        "es": "Su contador mide ahora correctamente. Antes del {since} no lo hacía.",
        "fr": "Votre compteur mesure maintenant correctement. Avant le {since}, ce n'était pas le cas.",
        "de": "Ihr Zähler misst jetzt richtig. Vor dem {since} tat er es nicht.",
    },
    "unreliable": {
        "en": "Your meter does not measure reliably: what it shows does not follow the water that flows.",
        "zh": "您的水表计量不可靠：其示数不能始终跟随实际流过的水量。",
        "es": "Su contador no mide de forma fiable: lo que muestra no sigue al agua que pasa.",
        "fr": "Votre compteur ne mesure pas de façon fiable : ce qu'il affiche ne suit pas l'eau qui passe.",
        "de": "Ihr Zähler misst nicht zuverlässig: Was er zeigt, folgt nicht dem Wasser, das fließt.",
    },
    "unclear": {
        "en": "We cannot yet say whether your meter measures correctly: there was too little to compare.",
        "zh": "目前还不能判断您的水表是否计量准确：可用于比较的数据太少。",
        "es": "Todavía no podemos decir si su contador mide correctamente: hubo demasiado poco que comparar.",
        "fr": "Nous ne pouvons pas encore dire si votre compteur mesure correctement : il y avait trop peu à comparer.",
        "de": "Wir können noch nicht sagen, ob Ihr Zähler richtig misst: Es gab zu wenig zu vergleichen.",
    },
    "unpriced": {
        "en": "For {litres} of what it showed wrongly no tariff held; that is not in the amount of money.",
        "zh": "误计的水量中有 {litres} 当时没有适用的水价，未计入上述金额。",
        "es": "Para {litres} de lo que mostró mal no regía ninguna tarifa; no están en el importe.",
        "fr": "Pour {litres} de ce qu'il a mal affiché, aucun tarif n'était en vigueur ; ils ne sont pas dans le montant.",
        "de": "Für {litres} des falsch Gezeigten galt kein Tarif; sie sind im Betrag nicht enthalten.",
    },
    "since": {
        "en": "It began around {since}, between {low} and {high}.",
        "zh": "大约从{since}开始（在{low}至{high}之间）。",
        "es": "Empezó hacia el {since}, entre el {low} y el {high}.",
        "fr": "Cela a commencé vers le {since}, entre le {low} et le {high}.",
        "de": "Es begann um den {since}, zwischen dem {low} und dem {high}.",
    },
    "how": {
        "en": "A second measuring device on the same pipe showed how much water really flowed. Your meter was compared with it "
        "over {days} days; in {judged} of {windows} spans of time there was enough to compare.",
        "zh": "同一条水管上的另一台测量设备显示了实际流过的水量。我们在 {days} 天内将您的水表与它进行了比较；"
        "{windows} 个时段中有 {judged} 个时段的数据足够比较。",
        "es": "Un segundo aparato de medida en la misma tubería mostró cuánta agua pasó de verdad. Su contador se comparó con él "
        "durante {days} días; en {judged} de {windows} periodos hubo bastante que comparar.",
        "fr": "Un second appareil de mesure sur la même conduite a montré combien d'eau est réellement passée. Votre compteur "
        "y a été comparé pendant {days} jours ; dans {judged} périodes sur {windows}, il y avait assez à comparer.",
        "de": "Ein zweites Messgerät an derselben Leitung hat gezeigt, wie viel Wasser wirklich geflossen ist. Ihr Zähler wurde "
        "{days} Tage lang damit verglichen; in {judged} von {windows} Zeitabschnitten gab es genug zu vergleichen.",
    },
    "more": {
        "en": "Over the whole time it showed about {litres} more than flowed; most likely between {low} and {high} more.",
        "zh": "在整个期间，水表比实际流量多计约 {litres}，很可能多计 {low} 至 {high}。",
        "es": "En todo el tiempo mostró unos {litres} más de lo que pasó; lo más probable, entre {low} y {high} más.",
        "fr": "Sur toute la durée, il a affiché environ {litres} de plus que ce qui est passé ; très probablement entre {low} et "
        "{high} de plus.",
        "de": "Über die ganze Zeit zeigte er etwa {litres} mehr, als geflossen ist; sehr wahrscheinlich zwischen {low} und "
        "{high} mehr.",
    },
    "less": {
        "en": "Over the whole time it showed about {litres} less than flowed; most likely between {low} and {high} less.",
        "zh": "在整个期间，水表比实际流量少计约 {litres}，很可能少计 {low} 至 {high}。",
        "es": "En todo el tiempo mostró unos {litres} menos de lo que pasó; lo más probable, entre {low} y {high} menos.",
        "fr": "Sur toute la durée, il a affiché environ {litres} de moins que ce qui est passé ; très probablement entre {low} "
        "et {high} de moins.",
        "de": "Über die ganze Zeit zeigte er etwa {litres} weniger, als geflossen ist; sehr wahrscheinlich zwischen {low} und "
        "{high} weniger.",
    },
    "balanced": {
        "en": "Over the whole time the difference adds up to about {litres}: so little that it may also be none.",
        "zh": "在整个期间，差额合计约 {litres}：数量很小，也可能并不存在。",
        "es": "En todo el tiempo la diferencia suma unos {litres}: tan poco que también puede no haber ninguna.",
        "fr": "Sur toute la durée, la différence s'élève à environ {litres} : si peu qu'il peut aussi n'y en avoir aucune.",
        "de": "Über die ganze Zeit beträgt der Unterschied etwa {litres}: so wenig, dass es auch keiner sein kann.",
    },
    "charged_more": {
        "en": "At your tariff that is about {money} too much.",
        "zh": "按您的水价计算，大约多收 {money}。",
        "es": "Con su tarifa, eso son unos {money} de más.",
        "fr": "À votre tarif, cela fait environ {money} de trop.",
        "de": "Bei Ihrem Tarif sind das etwa {money} zu viel.",
    },
    "charged_less": {
        "en": "At your tariff that is about {money} too little.",
        "zh": "按您的水价计算，大约少收 {money}。",
        "es": "Con su tarifa, eso son unos {money} de menos.",
        "fr": "À votre tarif, cela fait environ {money} de moins.",
        "de": "Bei Ihrem Tarif sind das etwa {money} zu wenig.",
    },
    "next": {
        "en": "You need not do anything now. If you have questions, please ask your water supplier and give the "
        "number of your meter.",
        "zh": "您现在无需做任何事情。如有疑问，请联系供水单位并说明您的水表编号。",
        "es": "Ahora no tiene que hacer nada. Si tiene preguntas, diríjase a su compañía de agua e indique el "
        "número de su contador.",
        "fr": "Vous n'avez rien à faire pour l'instant. Pour toute question, adressez-vous à votre service des eaux en indiquant "
        "le numéro de votre compteur.",
        "de": "Sie müssen jetzt nichts tun. Bei Fragen wenden Sie sich bitte an Ihren Wasserversorger und nennen Sie die Nummer "
        "Ihres Zählers.",
    },
    "months": {
        "en": "Month by month",
        "zh": "逐月对比",
        "es": "Mes a mes",
        "fr": "Mois par mois",
        "de": "Monat für Monat",
    },
    "month": {"en": "Month", "zh": "月份", "es": "Mes", "fr": "Mois", "de": "Monat"},
    "flowed": {
        "en": "What flowed",
        "zh": "实际流量",
        "es": "Lo que pasó",
        "fr": "Ce qui est passé",
        "de": "Was geflossen ist",
    },
    "showed": {
        "en": "What your meter showed",
        "zh": "水表显示",
        "es": "Lo que mostró su contador",
        "fr": "Ce que votre compteur a affiché",
        "de": "Was Ihr Zähler gezeigt hat",
    },
    "only": {
        "en": "Only times at which both devices reported are counted, so these amounts may be less than your bill.",
        "zh": "仅统计两台设备都有数据的时段，因此数量可能小于您的账单。",
        "es": "Solo cuentan los momentos en que informaron ambos aparatos, por lo que las cantidades pueden ser menores que las "
        "de su factura.",
        "fr": "Seuls comptent les moments où les deux appareils ont transmis ; ces quantités peuvent donc être inférieures à "
        "votre facture.",
        "de": "Es zählen nur Zeiten, zu denen beide Geräte gemeldet haben; die Mengen können daher kleiner sein als auf Ihrer "
        "Rechnung.",
    },
    "reference": {
        "en": "Number of this report: {digest}",
        "zh": "报告编号：{digest}",
        "es": "Número de este informe: {digest}",
        "fr": "Numéro de ce rapport : {digest}",
        "de": "Nummer dieses Berichts: {digest}",
    },
    "print": {"en": "As PDF", "zh": "PDF 版本", "es": "En PDF", "fr": "En PDF", "de": "Als PDF"},
    "page": {
        "en": "Page {page} of {pages}",
        "zh": "第 {page} 页，共 {pages} 页",
        "es": "Página {page} de {pages}",
        "fr": "Page {page} sur {pages}",
        "de": "Seite {page} von {pages}",
    },
}
LANGUAGES: Final = tuple(TEXTS["title"])

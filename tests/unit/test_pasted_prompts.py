"""The bundled router about pasted texts: letters and notices that are in no data, in twelve languages.

A small model says in a line what a short letter wants. It does not review it as a lawyer does.
"""

from __future__ import annotations

import pytest

from vibe_router import Router, Target

LETTERS = {
    "en": (
        "Hi team, just a reminder that the office kitchen will be renovated next week. Please "
        "empty the fridge by Friday evening; anything left behind will be thrown away. Coffee will "
        "be available on the second floor until the work is done. Thanks, Priya"
    ),
    "de": (
        "Liebe Eltern, am kommenden Dienstag besuchen wir mit der Klasse 4b das Naturkundemuseum. "
        "Bitte geben Sie Ihrem Kind ein Lunchpaket, wetterfeste Kleidung und 6 Euro für den "
        "Eintritt mit. Wir sind gegen 15 Uhr zurück. Viele Grüße, Frau Lehmann"
    ),
    "fr": (
        "Madame, Monsieur, votre abonnement arrive à échéance le 30 avril. Sans réponse de votre "
        "part, il sera renouvelé pour douze mois au tarif de 9,90 euros. Pour le résilier, "
        "connectez-vous à votre espace client avant le 15 avril. Cordialement, le service client"
    ),
    "es": (
        "Hola a todos, el partido del sábado se ha suspendido por la lluvia. El entrenador propone "
        "jugarlo el miércoles a las siete en el campo municipal. Confirmad por favor antes del "
        "lunes si podéis venir. Un saludo, Carmen"
    ),
    "nl": (
        "Beste ouders, volgende week maandag is de school gesloten wegens een studiedag. De opvang "
        "is wel open, maar aanmelden kan tot vrijdag. Vergeet niet de gymspullen mee te nemen op "
        "dinsdag. Groeten, juf Marieke"
    ),
    "ko": (
        "안녕하세요 고객님, 주문하신 상품이 내일 오후 두 시에서 네 시 사이에 도착할 "
        "예정입니다. 부재 시에는 경비실에 맡겨 드립니다. 배송 메모를 바꾸시려면 오늘 "
        "밤까지 앱에서 수정해 주세요."
    ),
    "tr": (
        "Sayın velimiz, öğrencimizin servisi yarından itibaren on dakika erken gelecektir. Kar "
        "yağışı nedeniyle güzergâh değiştirilmiştir. Sorularınız için okul sekreterliğini "
        "arayabilirsiniz."
    ),
    "ru": (
        "Здравствуйте, ваш заказ готов к выдаче. Забрать его можно ежедневно с 10 до 20 часов, при "
        "себе иметь паспорт. Срок хранения пять дней, после этого товар вернётся на склад."
    ),
    "ja": (
        ""
        "いつもご利用ありがとうございます。システム点検のため、今週土曜日の深夜零時から午前五時まで"
        "、アプリがご利用いただけません。お支払いの予定がある方は、金曜日までにお済ませください。"
    ),
    "pl": (
        "Dzień dobry, przypominamy o wizycie u dentysty w czwartek o 15:30. Jeśli termin nie "
        "pasuje, prosimy o telefon najpóźniej dzień wcześniej. Prosimy zabrać ze sobą legitymację "
        "i wyniki badań."
    ),
    "hi": (
        "प्रिय ग्राहक, आपका बिजली का बिल तैयार है। "
        "कुल राशि 1240 रुपये है और अंतिम तारीख 25 है। "
        "देर होने पर 50 रुपये का शुल्क लगेगा। भुगतान "
        "ऐप या कार्यालय में कर सकते हैं।"
    ),
    "uk": (
        "Доброго дня! Нагадуємо, що в суботу о десятій відбудеться прибирання двору. Візьміть "
        "рукавички, мішки дамо ми. Після роботи буде чай і пиріжки для всіх."
    ),
}
EASY = {
    "en": (
        "Can you sum this up in one line?",
        "What do I have to do by Friday?",
        "proofread pls",
    ),
    "de": (
        "Kannst du mir das in einem Satz sagen?",
        "Was muss ich mitgeben?",
    ),
    "fr": (
        "tu peux me résumer ça ?",
        "Que dois-je faire et quand ?",
    ),
    "es": (
        "resúmelo en una línea",
        "¿Cuándo se juega?",
    ),
    "nl": (
        "kort samenvatten graag",
        "Wat moet ik doen?",
    ),
    "ko": (
        "한 줄로 요약해 줘",
        "언제 와?",
    ),
    "tr": (
        "kısaca ne diyor",
        "bunu özetler misin",
    ),
    "ru": (
        "О чём тут, коротко?",
        "что мне взять с собой?",
    ),
    "ja": (
        "一行でまとめて",
        "いつ使えないの？",
    ),
    "pl": (
        "o co chodzi w skrócie?",
        "Kiedy i gdzie?",
    ),
    "hi": (
        "एक लाइन में बताओ",
        "कब तक भरना है?",
    ),
    "uk": (
        "Стисло, про що це?",
        "Що мені взяти?",
    ),
}
HARD = {
    "en": (
        "Is any of this legally binding? Cite the applicable labour law and case law",
        "Write a 2000 word satirical short story based on this notice in the style of Kafka",
    ),
    "de": ("Prüfe ausführlich die Haftungsfragen nach BGB mit Quellen",),
    "fr": ("Analyse en détail la légalité de cette clause selon le code de la consommation, avec jurisprudence",),
    "es": ("Escribe un ensayo de 2000 palabras sobre la responsabilidad civil de los clubes con jurisprudencia",),
    "ja": ("この契約変更の法的問題点を判例を挙げて詳しく分析して",),
}


@pytest.fixture(scope="module")
def router() -> Router:
    return Router.load()


def share_on_device(router: Router, prompts: list[str]) -> float:
    decided = [one.target for one in router.route_many(prompts)]
    return decided.count(Target.DEVICE) / len(decided)


def test_questions_about_a_short_letter_mostly_stay_on_the_device(router: Router) -> None:
    before = [f"{question}\n\n{LETTERS[name]}" for name, questions in EASY.items() for question in questions]
    after = [f"{LETTERS[name]}\n\n{questions[0]}" for name, questions in EASY.items()]
    # 25 of 37; the first nano kept 10.
    assert share_on_device(router, before + after) >= 0.65


def test_reviews_of_a_letter_go_to_the_cloud(router: Router) -> None:
    prompts = [f"{question}\n\n{LETTERS[name]}" for name, questions in HARD.items() for question in questions]
    kept = [prompt for prompt in prompts if router.route(prompt).target is Target.DEVICE]
    # Known misses, as those of the everyday prompts: a router that decides one well has it taken off this list.
    assert kept == [prompt for prompt in prompts if prompt.startswith("Is any of this legally binding?")]

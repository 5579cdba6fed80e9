"""Words with which a turn leans on the one before it, in the languages that people chat in.

The lists are closed classes (pronouns, connectives, question words) and the small vocabulary of asking for the same
thing in another way. They hold no topic: a turn made of nothing else says nothing without the turn before it.
All are case-folded. Scripts without spaces have phrases instead of words.
"""

from __future__ import annotations

_OPENERS = """
and but so also then or because instead why now okay ok plus
und aber also dann oder weil warum wieso jetzt nun
et mais donc alors aussi ou pourquoi maintenant
y pero entonces también tambien o porque ahora e ma allora anche perché perche adesso
mas então entao também porque agora
en maar dus ook waarom nu och men så sa också varför nu
a ale więc wiec też tez dlaczego teraz
и а но тогда тоже почему теперь ещё еще
і й та але тоді чому тепер ще
ve ama peki neden şimdi de
و لكن ثم لماذا الآن ماذا
और लेकिन तो क्यों अब
và nhưng vậy còn sao
dan tapi lalu kenapa juga
"""

_ANAPHORA = """
it its it's this these those they them their he him his she her above previous previously earlier
same former latter yours
das dies diese dieser dieses davon dazu damit darin obige vorherige
ça cela ceci celui celle ce cet cette ceux précédent
eso esto ello ese esa aquello anterior lo
questo questa quello quella ciò precedente
isso isto aquilo esse essa este esta
dat dit deze daarvan det detta den denna
to tego tym ten tę te
это этого этому этот эта эти то того его её их
це цього цей ця ці його її їх
bu bunu bunun şu şunu onu o
هذا هذه ذلك تلك
यह ये वह इस उस इसे उसे इसका
này đó nó
ini itu tersebut
"""

_ASKING_AGAIN = """
a an the that that's in on to for of with from by at as into if is are was were be been being do does did done have
has had can
could would will should may might must shall not no yes yeah yep nope sure right okay ok please thanks thank thx ty
cheers hi hello hey bye goodbye cool great nice good perfect awesome excellent wow hmm oh ah lol well fine got
i i'm i'd i'll im me my mine we us our you your you're yourself yours one ones
what what's which who whose whom where when why how come else exactly really actually just only even still again
more less much many most least little bit few some any all both each other another
shorter longer simpler briefer clearer better worse bigger smaller faster slower different differently
short long simple brief clear formal informal formally casual casually polite politely detailed detail details
explain elaborate expand rephrase reword rewrite redo repeat retry try translate summarize summarise summary shorten
lengthen simplify clarify continue go ahead keep going next finish stop wait undo fix improve change use give get make
show tell say write put add remove turn let mean means meant understand know think see want need like help
example examples option number time version way step steps point points bullet bullets list table paragraph sentence
sentences word words
line lines part last first second third fourth fifth final rest whole answer question reply response
correct wrong true false mistake error there here up out over back too very than
english french german spanish italian portuguese dutch swedish polish russian ukrainian turkish arabic hindi
chinese japanese korean vietnamese indonesian greek czech danish norwegian finnish hebrew
don't doesn't didn't isn't aren't can't couldn't won't wouldn't didnt dont doesnt isnt u pls plz
danke bitte ja nein gut genau nochmal noch mal kürzer länger einfacher genauer mehr weniger beispiel beispiele auf
deutsch englisch französisch spanisch der die das ein eine kannst du ich es ist was wie wer wo mir erklär erkläre
übersetze weiter mach kurz bitteschön super okay klar verstehe nicht
merci oui non bien plus moins court courte long simple exemple exemples encore en français anglais allemand
espagnol peux tu je c'est est le la les un une explique traduis continue résume d'accord quoi comment qui où
gracias por sí si no qué que bien vale más mas menos corto corta largo ejemplo ejemplos otra otro vez español inglés
francés alemán puedes el los las explica explícame traduce continúa sigue resume qué que cómo como quién dónde
grazie sì bene più meno breve esempio esempi ancora italiano inglese francese puoi il spiega traduci continua come chi
obrigado obrigada quê sim não nao bem mais menos curto exemplo exemplos outra outro vez português inglês pode explica
traduz continua resuma qual
bedankt dank je ja nee goed korter langer meer minder voorbeeld nog eens het nederlands engels kun leg uit wat hoe
tack ja nej bra kortare längre mer mindre exempel igen på svenska engelska kan du förklara vad hur
dziękuję dzięki tak nie dobrze krócej dłużej więcej mniej przykład jeszcze raz po polsku angielsku możesz wyjaśnij co
jak
спасибо да нет хорошо короче длиннее подробнее больше меньше пример примеры раз по на русски русском английски
английском можешь объясни переведи переведите на объясни объясните напиши ответ продолжай что как кто где не ок
понятно пожалуйста
дякую так ні добре коротше довше більше менше приклад раз по українськи англійською можеш поясни переклади продовжуй
що
teşekkürler teşekkür ederim evet hayır tamam daha kısa uzun basit örnek tekrar türkçe ingilizce açıkla çevir devam et
ne
شكرا شكراً نعم لا حسنا أقصر أطول أكثر مثال مرة أخرى بالعربية بالإنجليزية اشرح ترجم أكمل ما كيف من فضلك
धन्यवाद हाँ हां नहीं ठीक है छोटा लंबा उदाहरण फिर से हिंदी में अंग्रेजी समझाओ अनुवाद करो जारी रखो क्या कैसे
cảm ơn vâng không ngắn dài hơn ví dụ lại bằng tiếng việt anh giải thích dịch tiếp tục gì như thế nào tại
terima kasih ya tidak baik singkat panjang lebih contoh lagi bahasa indonesia inggris jelaskan terjemahkan lanjutkan
apa
"""

_PHRASES = """
为什么 為什麼 继续 繼續 谢谢 謝謝 好的 再 短一点 短一點 简短 長一點 长一点 详细 詳細 例子 举例 舉例 用 中文 英文 英语
法语 日语 呢 吗 吧 是 不
对 那 这 這 它 请 請 一点 一點 更 解释 解釋 翻译 翻譯 说 說 一下 我 你 怎么 怎麼 什么 什麼 可以 能 给 個 个 了 的
なぜ どうして 続けて ありがとう ございます はい いいえ もっと 短く 長く 詳しく 簡単に 例 を で に は も が の 英語
日本語 フランス語
それ これ あれ お願い します して ください 説明 翻訳 もう一度 教えて 何 ですか です 他に なるほど
왜 왜요 계속 계속해 감사합니다 고마워 네 아니요 더 짧게 길게 자세히 간단히 예시 예를 들어 영어로 한국어로 프랑스어로
그것 이것 그거 이거
설명해 번역해 다시 줘 주세요 요 해 뭐 무엇 어떻게
"""

_NEW_TOPIC = """
new topic|new question|different topic|different question|another topic|unrelated question|unrelated|on another note
on a different note|changing the subject|change of subject|change of topic|switching topics|something else entirely
something completely different|something different|separate question|totally different|forget that|never mind that
neues thema|andere frage|themenwechsel|was anderes|etwas anderes
nouveau sujet|autre question|autre sujet|rien à voir|changeons de sujet
otra pregunta|otro tema|cambiando de tema|nuevo tema|tema nuevo
altra domanda|altro argomento|cambiando argomento|nuovo argomento
outra pergunta|outro assunto|mudando de assunto|novo assunto
andere vraag|ander onderwerp|ny fråga|annan fråga|inne pytanie|nowy temat|zmiana tematu
другой вопрос|другая тема|новая тема|сменим тему|інше питання|інша тема|нова тема
başka bir soru|başka bir konu|yeni konu|سؤال آخر|موضوع آخر|موضوع جديد|दूसरा सवाल|नया विषय|câu hỏi khác|chủ đề khác
pertanyaan lain|topik lain|topik baru|换个话题|換個話題|另一个问题|另一個問題|新话题|別の質問|別の話|話は変わ
話題を変え|다른 질문|다른 주제|새로운 주제
"""

OPENERS = frozenset(_OPENERS.split())
"""Words that tie a turn to what came before where they open it."""

ANAPHORA = frozenset(_ANAPHORA.split())
"""Words that stand for something said before."""

ASKING_AGAIN = OPENERS | ANAPHORA | frozenset(_ASKING_AGAIN.split())
"""A short turn of nothing but these says nothing by itself."""

# Longest first, so that a phrase is not cut into shorter ones.
PHRASES = tuple(sorted(set(_PHRASES.split()), key=len, reverse=True))
"""As `ASKING_AGAIN`, for scripts without spaces between words."""

NEW_TOPIC = tuple(phrase for line in _NEW_TOPIC.split("\n") for phrase in line.split("|") if phrase)
"""With one of these at its start a turn says that it leaves the topic."""

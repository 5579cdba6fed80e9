// Written by `python swift/make_words.py` from Python's lists. Do not edit.

/// Words with which a turn of a chat leans on the one before it.
enum Words {
    static let openers = Set(
        """
        a aber adesso agora ahora ale allora alors also ama anche and aussi because but còn dan dann de dlaczego donc
        dus e en entao entonces então et instead jetzt juga kenapa lalu ma maar maintenant mais mas men neden nhưng
        now nu nun o och också oder ok okay ook or ou peki perche perché pero plus porque pourquoi sa sao so så
        tambien también também tapi teraz tez też then und varför ve và vậy waarom warum weil why wiec wieso więc y
        şimdi а але еще ещё и й но почему та тепер теперь тогда тоді тоже чому ще і الآن ثم لكن لماذا ماذا و अब और
        क्यों तो लेकिन
        """
        .split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init))

    static let anaphora = Set(
        """
        above anterior aquello aquilo bu bunu bunun ce ceci cela celle celui cet cette ceux ciò daarvan damit darin
        das dat davon dazu den denna det detta deze dies diese dieser dieses dit earlier ello esa ese eso essa esse
        esta este esto former he her him his ini isso isto it it's its itu latter lo này nó o obige onu precedente
        previous previously précédent quella quello questa questo same she te tego ten tersebut their them these they
        this those to tym tę vorherige yours ça đó şu şunu его её их його то того це цей цього ця ці эта эти это этого
        этому этот їх її تلك ذلك هذا هذه इस इसका इसे उस उसे यह ये वह
        """
        .split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init))

    static let askingAgain = Set(
        """
        a aber above actually add adesso again agora ah ahead ahora ale alemán all allemand allora alors also ama an
        anche ancora and angielsku anglais anh another answer anterior any apa aquello aquilo arabic are aren't as at
        auf aussi awesome açıkla back bahasa baik basit be because bedankt been being beispiel beispiele bem bene
        better bien bigger bit bitte bitteschön both bra breve brief briefer bu bullet bullets bunu bunun but by bye
        bằng c'est can can't casual casually ce ceci cela celle celui cet cette ceux change cheers chi chinese ciò
        clarify clear clearer co come comment como continua continue continúa contoh cool correct corta corto could
        couldn't court courte curto czech còn cómo cảm d'accord daarvan daha damit dan danish dank danke dann darin
        das dat davon dazu de den denna der det detail detailed details detta deutsch devam deze did didn't didnt die
        dies diese dieser dieses different differently dit dlaczego do dobrze does doesn't doesnt don't donc done dont
        du dus dutch dzięki dziękuję dài dónde dłużej dịch dụ e each earlier ederim eens ein eine einfacher ejemplo
        ejemplos el elaborate ello else en encore engels engelska englisch english entao entonces então erklär erkläre
        error es esa ese esempi esempio eso espagnol español essa esse est esta este esto et even evet exactly example
        examples excellent exempel exemple exemples exemplo exemplos expand explain explica explique explícame false
        faster few fifth final fine finish finnish first fix for formal formally former fourth francese francés
        französisch français french from förklara genau genauer german get give giải go goed going good goodbye got
        gracias grazie great greek gut gì had has have hayır he hebrew hello help her here het hey hi him hindi his
        hmm hoe how hur hơn i i'd i'll i'm ich if igen il im improve in indonesia indonesian informal inggris
        ingilizce inglese inglés inglês ini instead into is isn't isnt isso ist isto it it's italian italiano its itu
        ja jak japanese je jelaskan jeszcze jetzt juga just kan kannst kasih keep kenapa không klar know korean
        kortare korter krócej kun kurz kürzer kısa la lagi lalu langer lanjutkan largo las last latter le least lebih
        leg lengthen les less let like line lines list little lo lol long longer los länger längre lại ma maar mach
        maintenant mais make mal many mas may me mean means meant meer mehr men meno menos mer merci might minder
        mindre mine mir mistake mniej moins more most możesz much must my más nao ne neden nederlands nee need nein
        nej next ngắn như nhưng nice nicht nie no noch nochmal nog non nope norwegian not now nu number nun nào này
        não nó o obige obrigada obrigado och också oder of oh ok okay on one ones only onu ook option or other otra
        otro ou oui our out outra outro over où panjang paragraph part peki perche perché perfect pero peux più please
        pls plus plz po pode point points polish polite politely polsku por porque portuguese português pourquoi
        precedente previous previously przykład précédent puedes puoi put på qual que quella quello questa question
        questo qui quién quoi qué quê raz really redo remove repeat rephrase reply response rest resuma resume retry
        reword rewrite right russian résume sa same sao say second see sentence sentences shall she short shorten
        shorter should show si sigue sim simple simpler simplify singkat slower smaller so some spanisch spanish
        spiega step steps still stop summarise summarize summary super sure svenska swedish så sì sí table tack tak
        tamam tambien también também tapi te tego tekrar tell ten teraz terima terjemahkan tersebut tez teşekkür
        teşekkürler też than thank thanks that that's the their them then there these they think third this those thx
        thích thế tidak time tiếng tiếp to too traduce traduci traduis traduz translate true try tu turkish turn ty
        tym türkçe tę tại tục u uit ukrainian un und understand undo une up us use uzun vad vale varför ve version
        verstehe very vez vietnamese việt voorbeeld vorherige và vâng ví vậy waarom wait want warum was wat way we
        weil weiter well weniger wer were what what's when where which who whole whom whose why wie wiec wieso will
        with więc więcej wo won't word words worse would wouldn't wow write wrong wyjaśnij y ya yeah yep yes you
        you're your yours yourself ça çevir örnek übersetze đó şimdi şu şunu ơn а але английски английском англійською
        больше більше где да длиннее добре довше дякую его еще ещё её и их й його как коротше короче кто менше меньше
        можеш можешь на напиши не нет но ні объясни объясните ок ответ переведи переведите переклади по подробнее
        пожалуйста понятно почему поясни приклад пример примеры продовжуй продолжай раз русски русском спасибо та так
        тепер теперь то тогда того тоді тоже українськи хорошо це цей цього ця ці чому что ще що эта эти это этого
        этому этот і їх її أخرى أطول أقصر أكثر أكمل اشرح الآن بالإنجليزية بالعربية ترجم تلك ثم حسنا ذلك شكرا شكراً
        فضلك كيف لا لكن لماذا ما ماذا مثال مرة من نعم هذا هذه و अंग्रेजी अनुवाद अब इस इसका इसे उदाहरण उस उसे और करो
        कैसे क्या क्यों छोटा जारी ठीक तो धन्यवाद नहीं फिर में यह ये रखो लंबा लेकिन वह समझाओ से हाँ हां हिंदी है
        """
        .split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init))

    /// Longest first.
    static let phrases = """
        ありがとう
        ございます
        フランス語
        감사합니다
        프랑스어로
        ください
        どうして
        なるほど
        もう一度
        한국어로
        いいえ
        お願い
        します
        ですか
        もっと
        为什么
        教えて
        日本語
        為什麼
        短一点
        短一點
        簡単に
        続けて
        詳しく
        長一點
        长一点
        간단히
        계속해
        고마워
        번역해
        설명해
        아니요
        어떻게
        영어로
        자세히
        주세요
        あれ
        これ
        して
        それ
        です
        なぜ
        はい
        一下
        一点
        一點
        中文
        举例
        什么
        什麼
        他に
        例子
        可以
        好的
        怎么
        怎麼
        日语
        法语
        短く
        简短
        繼續
        继续
        翻訳
        翻譯
        翻译
        舉例
        英文
        英語
        英语
        解释
        解釋
        詳細
        説明
        謝謝
        详细
        谢谢
        長く
        계속
        그거
        그것
        길게
        다시
        들어
        무엇
        예를
        예시
        왜요
        이거
        이것
        짧게
        が
        で
        に
        の
        は
        も
        を
        不
        个
        了
        何
        你
        例
        個
        再
        吗
        吧
        呢
        它
        对
        我
        是
        更
        用
        的
        给
        能
        說
        請
        说
        请
        这
        這
        那
        네
        더
        뭐
        왜
        요
        줘
        해
        """.split(separator: "\n").map { Array($0.unicodeScalars) }

    /// Announcements.
    static let newTopic = """
        new topic
        new question
        different topic
        different question
        another topic
        unrelated question
        unrelated
        on another note
        on a different note
        changing the subject
        change of subject
        change of topic
        switching topics
        something else entirely
        something completely different
        something different
        separate question
        totally different
        forget that
        never mind that
        neues thema
        andere frage
        themenwechsel
        was anderes
        etwas anderes
        nouveau sujet
        autre question
        autre sujet
        rien à voir
        changeons de sujet
        otra pregunta
        otro tema
        cambiando de tema
        nuevo tema
        tema nuevo
        altra domanda
        altro argomento
        cambiando argomento
        nuovo argomento
        outra pergunta
        outro assunto
        mudando de assunto
        novo assunto
        andere vraag
        ander onderwerp
        ny fråga
        annan fråga
        inne pytanie
        nowy temat
        zmiana tematu
        другой вопрос
        другая тема
        новая тема
        сменим тему
        інше питання
        інша тема
        нова тема
        başka bir soru
        başka bir konu
        yeni konu
        سؤال آخر
        موضوع آخر
        موضوع جديد
        दूसरा सवाल
        नया विषय
        câu hỏi khác
        chủ đề khác
        pertanyaan lain
        topik lain
        topik baru
        换个话题
        換個話題
        另一个问题
        另一個問題
        新话题
        別の質問
        別の話
        話は変わ
        話題を変え
        다른 질문
        다른 주제
        새로운 주제
        """.split(separator: "\n").map { Array($0.unicodeScalars) }

    /// What opens a leaning turn in more words than one.
    static let leaningStarts = """
        what about
        how about
        what if
        那
        这
        這
        它
        再
        それ
        これ
        その
        この
        では
        じゃあ
        그
        이것
        이거
        그럼
        """.split(separator: "\n").map { Array($0.unicodeScalars) }

    /// Scalars whose folded case is not their lower case.
    static let folding: [Unicode.Scalar: [Unicode.Scalar]] = Dictionary(
        uniqueKeysWithValues: """
        b5=μ
        df=ss
        149=ʼn
        17f=s
        1f0=ǰ
        345=ι
        390=ΐ
        3b0=ΰ
        3c2=σ
        3d0=β
        3d1=θ
        3d5=φ
        3d6=π
        3f0=κ
        3f1=ρ
        3f5=ε
        587=եւ
        13a0=Ꭰ
        13a1=Ꭱ
        13a2=Ꭲ
        13a3=Ꭳ
        13a4=Ꭴ
        13a5=Ꭵ
        13a6=Ꭶ
        13a7=Ꭷ
        13a8=Ꭸ
        13a9=Ꭹ
        13aa=Ꭺ
        13ab=Ꭻ
        13ac=Ꭼ
        13ad=Ꭽ
        13ae=Ꭾ
        13af=Ꭿ
        13b0=Ꮀ
        13b1=Ꮁ
        13b2=Ꮂ
        13b3=Ꮃ
        13b4=Ꮄ
        13b5=Ꮅ
        13b6=Ꮆ
        13b7=Ꮇ
        13b8=Ꮈ
        13b9=Ꮉ
        13ba=Ꮊ
        13bb=Ꮋ
        13bc=Ꮌ
        13bd=Ꮍ
        13be=Ꮎ
        13bf=Ꮏ
        13c0=Ꮐ
        13c1=Ꮑ
        13c2=Ꮒ
        13c3=Ꮓ
        13c4=Ꮔ
        13c5=Ꮕ
        13c6=Ꮖ
        13c7=Ꮗ
        13c8=Ꮘ
        13c9=Ꮙ
        13ca=Ꮚ
        13cb=Ꮛ
        13cc=Ꮜ
        13cd=Ꮝ
        13ce=Ꮞ
        13cf=Ꮟ
        13d0=Ꮠ
        13d1=Ꮡ
        13d2=Ꮢ
        13d3=Ꮣ
        13d4=Ꮤ
        13d5=Ꮥ
        13d6=Ꮦ
        13d7=Ꮧ
        13d8=Ꮨ
        13d9=Ꮩ
        13da=Ꮪ
        13db=Ꮫ
        13dc=Ꮬ
        13dd=Ꮭ
        13de=Ꮮ
        13df=Ꮯ
        13e0=Ꮰ
        13e1=Ꮱ
        13e2=Ꮲ
        13e3=Ꮳ
        13e4=Ꮴ
        13e5=Ꮵ
        13e6=Ꮶ
        13e7=Ꮷ
        13e8=Ꮸ
        13e9=Ꮹ
        13ea=Ꮺ
        13eb=Ꮻ
        13ec=Ꮼ
        13ed=Ꮽ
        13ee=Ꮾ
        13ef=Ꮿ
        13f0=Ᏸ
        13f1=Ᏹ
        13f2=Ᏺ
        13f3=Ᏻ
        13f4=Ᏼ
        13f5=Ᏽ
        13f8=Ᏸ
        13f9=Ᏹ
        13fa=Ᏺ
        13fb=Ᏻ
        13fc=Ᏼ
        13fd=Ᏽ
        1c80=в
        1c81=д
        1c82=о
        1c83=с
        1c84=т
        1c85=т
        1c86=ъ
        1c87=ѣ
        1c88=ꙋ
        1e96=ẖ
        1e97=ẗ
        1e98=ẘ
        1e99=ẙ
        1e9a=aʾ
        1e9b=ṡ
        1e9e=ss
        1f50=ὐ
        1f52=ὒ
        1f54=ὔ
        1f56=ὖ
        1f80=ἀι
        1f81=ἁι
        1f82=ἂι
        1f83=ἃι
        1f84=ἄι
        1f85=ἅι
        1f86=ἆι
        1f87=ἇι
        1f88=ἀι
        1f89=ἁι
        1f8a=ἂι
        1f8b=ἃι
        1f8c=ἄι
        1f8d=ἅι
        1f8e=ἆι
        1f8f=ἇι
        1f90=ἠι
        1f91=ἡι
        1f92=ἢι
        1f93=ἣι
        1f94=ἤι
        1f95=ἥι
        1f96=ἦι
        1f97=ἧι
        1f98=ἠι
        1f99=ἡι
        1f9a=ἢι
        1f9b=ἣι
        1f9c=ἤι
        1f9d=ἥι
        1f9e=ἦι
        1f9f=ἧι
        1fa0=ὠι
        1fa1=ὡι
        1fa2=ὢι
        1fa3=ὣι
        1fa4=ὤι
        1fa5=ὥι
        1fa6=ὦι
        1fa7=ὧι
        1fa8=ὠι
        1fa9=ὡι
        1faa=ὢι
        1fab=ὣι
        1fac=ὤι
        1fad=ὥι
        1fae=ὦι
        1faf=ὧι
        1fb2=ὰι
        1fb3=αι
        1fb4=άι
        1fb6=ᾶ
        1fb7=ᾶι
        1fbc=αι
        1fbe=ι
        1fc2=ὴι
        1fc3=ηι
        1fc4=ήι
        1fc6=ῆ
        1fc7=ῆι
        1fcc=ηι
        1fd2=ῒ
        1fd3=ΐ
        1fd6=ῖ
        1fd7=ῗ
        1fe2=ῢ
        1fe3=ΰ
        1fe4=ῤ
        1fe6=ῦ
        1fe7=ῧ
        1ff2=ὼι
        1ff3=ωι
        1ff4=ώι
        1ff6=ῶ
        1ff7=ῶι
        1ffc=ωι
        ab70=Ꭰ
        ab71=Ꭱ
        ab72=Ꭲ
        ab73=Ꭳ
        ab74=Ꭴ
        ab75=Ꭵ
        ab76=Ꭶ
        ab77=Ꭷ
        ab78=Ꭸ
        ab79=Ꭹ
        ab7a=Ꭺ
        ab7b=Ꭻ
        ab7c=Ꭼ
        ab7d=Ꭽ
        ab7e=Ꭾ
        ab7f=Ꭿ
        ab80=Ꮀ
        ab81=Ꮁ
        ab82=Ꮂ
        ab83=Ꮃ
        ab84=Ꮄ
        ab85=Ꮅ
        ab86=Ꮆ
        ab87=Ꮇ
        ab88=Ꮈ
        ab89=Ꮉ
        ab8a=Ꮊ
        ab8b=Ꮋ
        ab8c=Ꮌ
        ab8d=Ꮍ
        ab8e=Ꮎ
        ab8f=Ꮏ
        ab90=Ꮐ
        ab91=Ꮑ
        ab92=Ꮒ
        ab93=Ꮓ
        ab94=Ꮔ
        ab95=Ꮕ
        ab96=Ꮖ
        ab97=Ꮗ
        ab98=Ꮘ
        ab99=Ꮙ
        ab9a=Ꮚ
        ab9b=Ꮛ
        ab9c=Ꮜ
        ab9d=Ꮝ
        ab9e=Ꮞ
        ab9f=Ꮟ
        aba0=Ꮠ
        aba1=Ꮡ
        aba2=Ꮢ
        aba3=Ꮣ
        aba4=Ꮤ
        aba5=Ꮥ
        aba6=Ꮦ
        aba7=Ꮧ
        aba8=Ꮨ
        aba9=Ꮩ
        abaa=Ꮪ
        abab=Ꮫ
        abac=Ꮬ
        abad=Ꮭ
        abae=Ꮮ
        abaf=Ꮯ
        abb0=Ꮰ
        abb1=Ꮱ
        abb2=Ꮲ
        abb3=Ꮳ
        abb4=Ꮴ
        abb5=Ꮵ
        abb6=Ꮶ
        abb7=Ꮷ
        abb8=Ꮸ
        abb9=Ꮹ
        abba=Ꮺ
        abbb=Ꮻ
        abbc=Ꮼ
        abbd=Ꮽ
        abbe=Ꮾ
        abbf=Ꮿ
        fb00=ff
        fb01=fi
        fb02=fl
        fb03=ffi
        fb04=ffl
        fb05=st
        fb06=st
        fb13=մն
        fb14=մե
        fb15=մի
        fb16=վն
        fb17=մխ
        """.split(separator: "\n").map { entry in
            let parts = entry.split(separator: "=")
            return (Unicode.Scalar(UInt32(parts[0], radix: 16)!)!, Array(parts[1].unicodeScalars))
        })
}

"""Finds text that speaks to the judge: asks for a level, lifts the rules, forges a verdict or a turn."""

import re
from typing import Final

# English: an order to grade, a plea for the top, rules to be ignored, the judge addressed.
_IT: Final = (
    r"(?:it|me|this|my|the|above|following|response|answer|output|submission|reply|text|entry|essay|as|with|"
    r"at|a|an|of)"
)
_GIVE: Final = (
    r"(?:rate|score|grade|mark|judge|give|award|assign|output|return|choose|select|deserves?|merits?)"
)
_HIGHEST: Final = (
    r"(?:full (?:marks|scores?|points|credit)|(?:highest|maximum|max|top|perfect|best|maximal)(?: possible|"
    r" available)? "
    r"(?:scores?|level|rating|marks?|grade|points)|(?:score|level|rating|grade|mark)s? (?:of )?(?:a )?"
    r"(?:5|five|10|ten|100)(?![\d%]|[.,]\d))"
)
_NUMBER: Final = (
    r"(?:5|five|10|ten|100)(?!\d|[.,]\d|\s?%|\w)(?: ?/ ?\d{1,3}| out of \w+)?"
    r"(?=\s*(?:$|[.!\n,;)\"']|stars?(?!\w)|points?(?!\w)|/|out|on all|for all|in all))"
)
_JUDGE: Final = r"(?:judges?|graders?|evaluators?|assessors?|raters?|scorers?|reviewers?|llm|ai model)"
_MUST: Final = (
    r"(?:must|should|shall|will|needs? to|has to|have to|(?:is|are) (?:asked|told|required|instructed) to|"
    r"please)"
)
_ENGLISH: Final = (
    rf"(?<!\w){_GIVE}\s(?:{_IT}\s){{0,6}}{_HIGHEST}"
    rf"|(?<!\w){_GIVE}\s(?:{_IT}\s){{1,6}}{_NUMBER}"
    rf"|(?<!\w)you\s{_MUST}\s(?:output|return|answer with|score|rate)\s(?:{_IT}\s){{0,4}}{_NUMBER}"
    rf"|(?<!\w){_JUDGE}\s{_MUST}\s(?:\w+\s){{0,8}}(?:{_HIGHEST}|{_NUMBER})"
    rf"|(?<!\w)(?:{_JUDGE}|you)\s{_MUST}\s(?:accept|approve|pass)\s(?:this|the)\s(?:response|answer|"
    rf"submission|output)"
    rf"|(?<!\w)(?:must|should|shall|has to) be (?:scored|rated|graded|given|marked|judged) (?:{_IT}\s){{0,3}}"
    rf"(?:{_HIGHEST}|{_NUMBER}|excellent|perfect)"
    r"|(?<!\w)(?:correct|right|only|appropriate|fair|proper|best|true) (?:score|level|rating|grade|verdict)"
    rf"(?: for (?:this|the) \w+)? (?:is|would be|should be) (?:{_IT}\s){{0,2}}(?:{_HIGHEST}|{_NUMBER})"
    r"|(?<!\w)(?:ignore|disregard|forget|override|bypass|skip)\s(?:all |any |the |your |every |of |these |"
    r"those )*"
    r"(?:(?:previous|prior|above|earlier|preceding|foregoing|given|judging|grading|scoring|original|other|"
    r"system) ?)*"
    r"(?:instructions?|rubrics?|rules|criteria|guidelines|prompts?|checks|directions|orders)(?!\w)"
    r"(?! (?:for|on|of) (?!th))"
    r"|(?<!\w)(?:do not|don['’]t|never) (?:follow|apply|use|obey) (?:the |your |any )?(?:rubric|(?:previous|"
    r"above|prior|"
    r"earlier|grading|judging) (?:instructions?|rules|criteria))"
    r"|(?<!\w)(?:ignore|disregard|forget) (?:everything|anything|all|what(?:ever)?) (?:above|before|you were|"
    r"that came|"
    r"you have been|so far|said)"
    r"|(?:dear|attention|note to|message to|hey|hello|hi),? (?:the )?(?:judge|grader|evaluator|assessor|"
    r"rater|ai"
    r" model|llm)s?(?!\w)"
    r"|(?<!\w)you are (?:now )?(?:a |an |the )?(?:\w+ )?(?:judge|grader|evaluator|rater)(?!\w)"
    r"|(?<!\w)(?:this|the) (?:response|answer) (?:deserves|merits|must (?:get|receive|be (?:rated|scored|"
    r"graded))|"
    r"should (?:get|receive|be (?:rated|scored|graded|given)))"
    r"|(?<!\w)(?:new|updated|revised) (?:instructions?|rubric|grading rules?)\s?:"
    r"|(?<!\w)your (?:new )?(?:task|job|only task) is (?:now )?to (?:rate|score|give|award|output|grade)"
    r"|(?<!\w)(?:correct|right|only|true|final) (?:score|level|rating|grade) (?:for|of) (?:this|the) \w+ is "
    r"(?:5|five|10|ten|100)(?!\d|[.,]\d|\s?%|\w)"
    r"|(?<!\w)(?:output|return|print|reply(?: with)?|answer with|say) (?:the (?:digit|number|level) )?"
    r"(?:5|five)(?:,| and) (?:nothing else|nothing more|no other)"
    r"|(?<!\w)(?:rates?|scores?|grades?|marks?) (?:this|my|the) (?:response|answer|text|plan|output) "
    r"(?:below|under|lower than|less than) (?:5|five|10|ten|100)(?!\w)"
    r"|(?<!\w)(?:returns?|gives?|awards?|assigns?|outputs?) (?:a |an )?(?:5|five|100) (?:for|on|in) "
    r"(?:every|each|all) (?:of )?(?:the )?(?:five )?(?:dimensions?|criteri(?:on|a)|categor(?:y|ies))"
)
# Other tongues: rules to be ignored, and the top level asked for.
_OTHERS: Final = (
    # Spanish, Portuguese, Italian, French, Catalan
    r"|(?<!\w)(?:ignor(?:a|e|ez|ad|en|are|ate)|olvid(?:a|e|ad|en)|esquece|esqueça|dimentica(?:te)?|oubli(?:e|"
    r"ez)|"
    r"descart(?:a|e)|desconsider(?:e|a)|omet(?:a|ez|ti)|"
    r"passe[rz]? outre)\s(?:[\w'’]{1,12}\s){0,4}(?:instrucciones|"
    r"instructions|istruzioni|instruções|consignes|indicaciones|indicações|órdenes|reglas|regole|règles|"
    r"regras|criterios)"
    r"|(?<!\w)(?:la |le |el |il |a |o |de |du )?(?:máxima|máximo|maximale?|massimo|massima|más alta|"
    r"plus haute|più alto|"
    r"mais alta|meilleure|mejor) (?:puntuación|calificación|nota|note|punteggio|voto|pontuação|puntaje)"
    r"|(?<!\w)(?:puntuación|calificación|nota|note|punteggio|voto|pontuação|puntaje) (?:máxima|máximo|"
    r"maximale?|"
    r"massimo|massima|más alta|la plus haute|più alto|mais alta|parfaite|perfecta)"
    r"|(?<!\w)(?:nota|mensaje|aviso|mensagem) (?:para|al|ao|a) (?:el |la |o )?(?:evaluador|juez|avaliador|"
    r"juiz)a?(?!\w)"
    r"|(?<!\w)(?:note|message) (?:au |à l['’])(?:correcteur|évaluateur|juge)|(?<!\w)mérite (?:la note|un 5|5|"
    r"cinq)"
    r"|(?<!\w)merece (?:un |una |a |o |el |la )?(?:5|cinco|10|diez|dez|máxim)"
    # German, Dutch, Scandinavian
    r"|(?<!\w)(?:hinweis )?an (?:die|den|das) (?:bewertung|prüfer|gutachter|jury|bewerter)(?:in)?(?!\w)"
    r"|(?<!\w)(?:5|fünf|10|zehn|volle|alle) punkte (?:vergeben|geben)|(?<!\w)(?:gib|"
    r"vergib) (?:\w+ ){0,3}(?:5|fünf|zehn|"
    r"volle|alle) punkte"
    r"|(?<!\w)(?:ignorier(?:e|t|en)?|vergiss|vergesst|missacht(?:e|en)|übergeh(?:e|en)|negeer|vergeet|"
    r"ignorera|ignorer)\s"
    r"(?:[\wäöüß]{1,14}\s){0,4}(?:anweisungen|instruktionen|vorgaben|regeln|kriterien|instructies|"
    r"instruktioner|regels)"
    r"|(?<!\w)(?:höchste[rn]?|beste|volle|maximale|hoogste|högsta)\s(?:punktzahl|bewertung|note|wertung|"
    r"punkte|stufe|"
    r"score|cijfer|betyg)"
    # Polish, Czech, Turkish, Indonesian, Vietnamese
    r"|(?<!\w)(?:zignoruj|ignoruj(?:te)?|pomiń|zapomnij o)\s(?:[^\W\d]{1,14}\s){0,3}(?:instrukcj|polece|"
    r"pokyn|zasad)"
    r"|(?<!\w)(?:najwyższ\w{1,3}|maksymaln\w{1,3}) (?:ocen|liczb|punkt)"
    r"|(?<!\w)(?:önceki|yukarıdaki)\s(?:[^\W\d]{1,14}\s){0,2}(?:talimat|yönerge)\w{0,8}\s(?:yok say|"
    r"görmezden|unut|dikkate alma)"
    r"|(?<!\w)en yüksek (?:puan|not)|(?<!\w)abaikan\s(?:\w{1,12}\s){0,2}(?:instruksi|perintah)|"
    r"(?<!\w)nilai tertinggi"
    r"|(?<!\w)bỏ qua\s(?:[^\W\d]{1,10}\s){0,4}(?:hướng dẫn|chỉ dẫn)|(?<!\w)điểm (?:cao nhất|tối đa)"
    # Russian, Ukrainian
    r"|(?:игнорируй|игнорируйте|забудь|забудьте|ігноруй|"
    r"не обращай внимания на)\w{0,2}\s(?:[^\W\d]{1,14}\s){0,3}"
    r"(?:инструкц|указани|правил|інструкц|вказівк)\w{0,4}|(?:высш|максимальн|найвищ)\w{1,3} (?:балл|оценк|"
    r"бал|оцінк)\w{0,2}"
    # Chinese, Japanese, Korean
    r"|(?:忽略|无视|無視|忘记|忘記|不要理会|不理会).{0,10}(?:指令|指示|说明|說明|提示|规则|規則|要求)"
    r"|(?:打|给|給|評|评).{0,6}(?:满分|滿分|最高分|最高)|满分评价"
    r"|(?:指示|命令|ルール|指令|プロンプト|基準).{0,4}(?:無視|忘れ)|満点を|最高(?:点|得点|評価)を"
    r"|(?:지시|명령|규칙|지침|프롬프트)\S{0,3}\s?(?:\S{1,6}\s)?(?:무시|잊)\S{0,4}|(?:최고|만점)\s?(?:점수|평가|을)"
    # Arabic, Persian, Hebrew, Hindi
    r"|(?:تجاهل|انس|أهمل|نادیده بگیر).{0,20}(?:التعليمات|تعليمات|الأوامر|القواعد|دستور)|(?:أعلى|"
    r"اعلى) (?:درجة|تقييم|علامة)"
    r"|התעלם.{0,14}(?:הוראות|ההוראות)|הציון הגבוה"
    r"|(?:निर्देश|निर्देशों|नियम|नियमों|आदेश|आदेशों)\s?(?:को)?\s?(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल)|(?:पूरे|"
    r"सर्वोच्च|अधिकतम) अंक"
)
JUDGE_INSTRUCTION: Final = re.compile(_ENGLISH + _OTHERS)  # to be held against text in lower case

_VERDICT_NAME: Final = (
    r"(?:level|score|rating|overall[_ ]score|overall[_ ]rating|verdict|grade|final[_ ]score|marks?)"
)
FORGED_VERDICT: Final = re.compile(
    rf"[\"'{{]\s{{0,5}}{_VERDICT_NAME}[\"']?\s{{0,3}}:\s{{0,3}}[\"']?(?:\d{{1,3}}(?:\.\d+)?|pass|accept)"
    rf"|<{_VERDICT_NAME}>\s{{0,3}}(?:\d{{1,3}}|pass|accept)\w{{0,4}}\s{{0,3}}</{_VERDICT_NAME}>"
    rf"|(?:^[\s*_#>-]{{0,6}}|(?<!\w)(?:final|overall|my|your|judge['’]s)\s)(?:final |"
    rf"overall )?{_VERDICT_NAME}"
    r"[*_]{0,2}\s?(?:[:=]|is)[*_]{0,2}\s?(?:(?:5|five|10|100)(?!\d|[.,]\d|\s?%)(?:\s?(?:/|"
    r"out of)\s?\d{1,3})?|"
    r"\d{1,3}\s?/\s?(?:5|10|100)(?!\d)|(?:pass|accept)(?:ed)?(?!\w)|excellent(?!\w))"
    r"|(?<!\w)\[\[\s?(?:\d{1,2}|[AB])\s?\]\]"
    r"|(?<!\w)(?:final |overall )?(?:verdict|score|rating|grade|mark) (?:for|of|on) (?:this|the above|my) "
    r"(?:answer|response|text|reply|submission|plan|mail)\s?(?:[:=]|is)\s?(?:level |a |"
    r"an )?(?:5|five|10|100|full|excellent|perfect)(?!\d|[.,]\d|\s?%)"
    # a verdict told as a fact, and one set by a program that nobody runs
    r"|(?<!\w)(?:this|the) (?:answer|response|submission) (?:was|is|has been|had been) (?:scored|rated|graded|"
    r"judged) (?:at |with |an? )?\d"
    r"|(?<!\w)(?:evaluation|grading|judging|scoring) (?:panel|committee|board|team|jury) (?:has|have)(?!\w)"
    r"|^\W{0,6}(?:human|expert|annotator|reviewer|gold) (?:label|rating|score|grade)s?\s?[:=]\s?\d"
    r"|^\W{0,6}checked facts\s?:"
    r"|^\W{0,6}(?:the )?(?:comparison|evaluation|grading|scoring|judging)(?: above)? (?:is )?(?:now )?(?:finished|"
    r"complete|completed|closed|over)(?=\s*(?:[.:!\n]|$))"
    r"|(?<!\w)(?:verdict|judge|grader|evaluation)\.(?:level|score|rating|submit|award|set_\w{1,20})\s?[=(]"
    r"|(?<!\w)(?:submit|record|set|return)_(?:verdict|score|level|rating|grade|judge?ment)(?!\w)",
    re.IGNORECASE | re.MULTILINE,
)
FORGED_TURN: Final = re.compile(
    r"(?:^[ \t]{0,3}[*_]{0,2}(?:system|assistant|judge|evaluator|grader)|(?<=\n)[*_]{0,2}(?:user|"
    r"human))(?: message|"
    r" prompt)?[*_]{0,2}\s?:[*_]{0,2}(?=\s|$)"
    r"|^[ \t]{0,3}#{1,4}\s?(?:system|instructions?|user|assistant|human|judge|evaluation|verdict)(?:\s?:|"
    r"\s*$)"
    r"|^[ \t]{0,3}\[(?:system|assistant|user)\]"
    r"|</?(?:system|assistant|user|instructions?|response|prompt|context|rubric)>"
    r"|<<<\s?/?(?:end|response|prompt|context)[^>\n]{0,40}(?:>>>)?"
    r"|(?:-{3,}|={3,}|\*{3,})\s?end of (?:the )?(?:response|answer|prompt)[^\n]{0,20}"
    r"|(?<!\w)end of (?:the )?response(?=\s*(?:[.:\n]|$))"
    r"|^[ \t]{0,3}(?:end|prompt|context|response)[ \t](?=[a-f]{0,15}\d)[0-9a-f]{6,16}[ \t]?[.:][ \t]*$"
    r"|^[ \t]{0,3}(?:tool|function|checker|verifier)[ _](?:result|output|response|call)s?\s?:",
    re.IGNORECASE | re.MULTILINE,
)

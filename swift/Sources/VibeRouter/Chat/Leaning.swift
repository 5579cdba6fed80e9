/// How a turn relates to the turns before it.
enum Kind {
    case own, leaning, bare, newTopic
}

/// The text that stands for each turn, and where it is; a bare turn has that of the turn it leans on.
struct Ask {
    let kind: Kind
    let text: [Unicode.Scalar]
    let spans: [Span]

    /// Return one ask for each of the last turns. The first stands by itself, with what it leans on; a leaning turn is
    /// read after the last turn that stands by itself.
    static func all(_ turns: [UserTurn], _ policy: ChatPolicy) -> [Ask] {
        let read = turns.isEmpty ? [UserTurn(text: [], spans: [])] : turns
        let first = max(0, read.count - policy.replayedTurns)
        // What the first of them leans on may have been said before.
        var begin = first
        while begin > 0, [.bare, .leaning].contains(Self.kind(read[begin], policy)) { begin -= 1 }
        var asks: [Ask] = []
        var anchor = read[begin]
        for turn in read[begin...] {
            let kind: Kind = asks.isEmpty ? .own : Self.kind(turn, policy)
            switch kind {
            case .bare: asks.append(Ask(kind: kind, text: asks.last!.text, spans: asks.last!.spans))
            case .leaning:
                asks.append(Ask(kind: kind, text: anchor.text + ["\n"] + turn.text, spans: anchor.spans + turn.spans))
            case .own, .newTopic:
                anchor = turn
                asks.append(Ask(kind: kind, text: turn.text, spans: turn.spans))
            }
        }
        let kept = asks.suffix(read.count - first)
        return [Ask(kind: .own, text: kept.first!.text, spans: kept.first!.spans)] + kept.dropFirst()
    }

    private static func kind(_ turn: UserTurn, _ policy: ChatPolicy) -> Kind {
        turn.text.allSatisfy(isBlank) ? .bare : Kind.of(turn.text, policy)
    }
}

extension Kind {
    /// How far into a turn its announcement of a new topic may stand.
    private static let announcement = 48
    private static let punctuation = Set("¡«»¿‘“”„…،؛؟।、。「」！，．：；？".unicodeScalars)

    /// Return how a turn that is not a conversation's first relates to what came before: Python's `kind_of`.
    static func of(_ text: [Unicode.Scalar], _ policy: ChatPolicy) -> Kind {
        // Only so much is read as the decision needs.
        let start = folded(stripped(text.prefix(16 * (policy.leaningWords + 1))))
        let opening = Array(start.prefix(announcement))
        if Words.newTopic.contains(where: { first($0, in: opening, from: 0) != nil }) { return .newTopic }
        let words = start.map { $0 == "’" ? "'" : $0 }.split(whereSeparator: separates).map(word)
            .filter { $0.contains(where: isLetterOrNumber) }
        let unspaced = start.count(where: isUnspaced)
        let count = words.count + unspaced / 2
        if stripped(text[...]).count > start.count || count > policy.leaningWords { return .own }
        if count <= policy.bareWords && saysNothing(words) { return .bare }
        guard let head = words.first else { return .own }
        let leans = Words.openers.contains(string(head)) || words.contains { Words.anaphora.contains(string($0)) }
        return leans || Words.leaningStarts.contains { start.starts(with: $0) } ? .leaning : .own
    }

    private static func saysNothing(_ words: [[Unicode.Scalar]]) -> Bool {
        // One number points at something ("option 2"); two are a calculation.
        let isNumber = { (word: [Unicode.Scalar]) in word.allSatisfy(isDigit) }
        guard words.count(where: isNumber) < 2 else { return false }
        return words.allSatisfy { word in
            if Words.askingAgain.contains(string(word)) || isNumber(word) { return true }
            return word.contains(where: isUnspaced) && withoutPhrases(word).isEmpty
        }
    }

    private static func withoutPhrases(_ word: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var left = word
        for phrase in Words.phrases {
            while let place = first(phrase, in: left, from: 0) { left.removeSubrange(place..<(place + phrase.count)) }
        }
        return left
    }

    private static func separates(_ scalar: Unicode.Scalar) -> Bool {
        if isBlank(scalar) || punctuation.contains(scalar) { return true }
        return switch scalar {
        case "!"..."&", "("..."/", ":"..."@", "["..."`", "{"..."~": true
        default: false
        }
    }

    /// Kana, Han and Hangul: scripts that put no spaces between words, or glue endings to them.
    private static func isUnspaced(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x3040...0x30FF, 0x3400...0x9FFF, 0xAC00...0xD7AF: true
        default: false
        }
    }

    private static func isLetterOrNumber(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: scalar.properties.numericType != nil
        }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
    }

    /// A word without apostrophes around it.
    private static func word(_ part: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        guard let begin = part.firstIndex(where: { $0 != "'" }), let end = part.lastIndex(where: { $0 != "'" }) else {
            return []
        }
        return Array(part[begin...end])
    }

    private static func stripped(_ text: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
        guard let begin = text.firstIndex(where: { !isBlank($0) }),
            let end = text.lastIndex(where: { !isBlank($0) })
        else { return [] }
        return text[begin...end]
    }

    /// Fold case as Unicode does: lower case, but for the scalars that the generated table names.
    private static func folded(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        text.flatMap { Words.folding[$0] ?? Array($0.properties.lowercaseMapping.unicodeScalars) }
    }
}

func string(_ scalars: [Unicode.Scalar]) -> String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
}

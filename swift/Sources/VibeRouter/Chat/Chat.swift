/// What the user wrote between two answers.
struct UserTurn {
    var text: [Unicode.Scalar]
    var spans: [Span]
}

/// The turns of a request, oldest first, and what else routing depends on: Python's `read_chat`.
struct Chat {
    private(set) var turns: [UserTurn] = []
    let openToolCall: Bool
    let tools: Bool
    let vision: Bool
    let audio: Bool
    let textBytes: Int
    let media: Int

    /// A tool's definition, in bytes, where nobody measures it: a name, a sentence, and a few parameters.
    private static let bytesPerTool = 600

    init(_ messages: [Message], tools definitions: Int, harnessTags: [String]) throws(RouterError) {
        guard let last = messages.last else { throw .badPrompt("messages must hold at least one message") }
        openToolCall = last.role == .tool || (last.role == .assistant && !last.toolCalls.isEmpty)
        tools = definitions > 0 || messages.contains { !$0.toolCalls.isEmpty || $0.role == .tool }
        let images = messages.map { $0.count(.image) }.reduce(0, +)
        let recordings = messages.map { $0.count(.audio) }.reduce(0, +)
        (vision, audio, media) = (images > 0, recordings > 0, images + recordings)
        let calls = messages.flatMap(\.toolCalls).map { $0.name.utf8.count + $0.arguments.utf8.count }.reduce(0, +)
        textBytes = messages.map(\.text.utf8.count).reduce(0, +) + calls + Self.bytesPerTool * definitions
        var answered = true
        for (index, message) in messages.enumerated() {
            if message.role == .assistant {
                answered = true
            } else if message.role == .user {
                let text = Array(message.text.unicodeScalars)
                let spans = wish(text, message: index, tags: harnessTags)
                if spans.isEmpty && message.count(.image) + message.count(.audio) == 0 { continue }
                let wished = Array(spans.map { text[$0.start..<$0.end] }.joined(separator: ["\n"]))
                add(UserTurn(text: wished, spans: spans), opens: answered)
                answered = false
            }
        }
    }

    private mutating func add(_ turn: UserTurn, opens: Bool) {
        guard !opens, let last = turns.last else { return turns.append(turn) }
        let parts = [last, turn].filter { !$0.spans.isEmpty }.map(\.text)
        turns[turns.count - 1] = UserTurn(text: Array(parts.joined(separator: ["\n"])), spans: last.spans + turn.spans)
    }
}

/// Return the spans of a text outside closed blocks of the harness, without those that are blank.
private func wish(_ text: [Unicode.Scalar], message: Int, tags: [String]) -> [Span] {
    var spans: [Span] = []
    var start = 0
    for (begin, end) in blocks(text, tags) + [(text.count, text.count)] {
        if !text[start..<begin].allSatisfy(isBlank) { spans.append(Span(message: message, start: start, end: begin)) }
        start = end
    }
    return spans
}

/// Return start and end of each block `<tag>...</tag>`, in time that grows with the text alone.
private func blocks(_ text: [Unicode.Scalar], _ tags: [String]) -> [(Int, Int)] {
    let opening = tags.map { Array("<\($0)>".unicodeScalars) }
    let closing = tags.map { Array("</\($0)>".unicodeScalars) }
    var found: [(Int, Int)] = []
    var neverClosed: Set<Int> = []
    var place = 0
    while let start = text[place...].firstIndex(of: "<") {
        place = start + 1
        guard let tag = opening.indices.first(where: { text[start...].starts(with: opening[$0]) }) else { continue }
        place = start + opening[tag].count
        if neverClosed.contains(tag) { continue }
        guard let closed = first(closing[tag], in: text, from: place) else {
            neverClosed.insert(tag)
            continue
        }
        place = closed + closing[tag].count
        found.append((start, place))
    }
    return found
}

/// Return where `part` first stands in `text` from a place on.
func first(_ part: [Unicode.Scalar], in text: [Unicode.Scalar], from place: Int) -> Int? {
    guard let head = part.first, text.count >= part.count else { return nil }
    return (place..<max(place, text.count - part.count + 1)).first { start in
        text[start] == head && text[start...].starts(with: part)
    }
}

/// What Python's `str.isspace` takes for a space.
func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
}

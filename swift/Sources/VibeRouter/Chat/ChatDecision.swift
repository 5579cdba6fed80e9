import Foundation

/// The characters from `start` up to `end` of the text of a message, counted as Unicode scalars; the texts of parts
/// are joined by newlines.
public struct Span: Hashable, Sendable {
    /// The message's place in the history, 0 and up.
    public let message: Int
    /// The first of its characters.
    public let start: Int
    /// The place after the last one.
    public let end: Int
}

/// What a model has to have to answer a request.
public struct Requires: Hashable, Sendable {
    /// One of them; the raw values are Python's names.
    public enum Need: String, Codable, Hashable, Sendable {
        case tools, vision, audio
        case longContext = "long_context"
    }

    /// The request defines tools, or the history calls some.
    public let tools: Bool
    /// There are images, videos or files.
    public let vision: Bool
    /// There are recordings.
    public let audio: Bool
    /// There are more tokens than ``ChatPolicy/deviceContext`` has room for.
    public let longContext: Bool
    /// An estimate from the text's bytes.
    public let contextTokens: Int
}

/// What a caller may hand to the next turn. Without it, the next turn decides the same from its messages alone.
///
/// In JSON it has the form of Python's `ChatState`.
public struct ChatState: Hashable, Sendable {
    /// The cloud was forbidden once, and stays so.
    public var pinned = false
    /// The bundle and the engine that gave the scores; they count for no other.
    public var scorer = ""
    /// The logit of each text that was scored, by 64 bits of its BLAKE2b hash in hexadecimal.
    public var scores: [String: Double] = [:]

    /// Know nothing of turns before.
    public init() {}
}

extension ChatState: Codable {
    private enum CodingKeys: String, CodingKey { case version, pinned, scorer, scores }
    private static let version = 1

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        guard try fields.decode(Int.self, forKey: .version) == Self.version else {
            throw DecodingError.dataCorruptedError(
                forKey: .version, in: fields, debugDescription: "this version reads version \(Self.version)")
        }
        pinned = try fields.decode(Bool.self, forKey: .pinned)
        scorer = try fields.decode(String.self, forKey: .scorer)
        scores = try fields.decode([String: Double].self, forKey: .scores)
        guard scores.allSatisfy({ $0.key.count == 16 && abs($0.value) < 1e9 }) else {
            throw DecodingError.dataCorruptedError(
                forKey: .scores, in: fields, debugDescription: "a score is not one that a router gave")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(Self.version, forKey: .version)
        try fields.encode(pinned, forKey: .pinned)
        try fields.encode(scorer, forKey: .scorer)
        try fields.encode(scores, forKey: .scores)
    }
}

/// One routed chat.
public struct ChatDecision: Hashable, Sendable {
    /// What ``Router/route(_:terms:)-(String,_)`` would return, for the conversation: `pCloud` is the score of the text
    /// that ``scored`` names.
    public let decision: Decision
    /// Where the text that was scored is; empty where no score was needed.
    public let scored: [Span]
    /// What a model has to have to answer it.
    public let requires: Requires
    /// What of ``requires`` the device lacks, where the target is the device all the same: the cloud was
    /// forbidden.
    public let unmet: [Requires.Need]
    /// For the next turn.
    public let state: ChatState

    /// Where the request goes.
    public var target: Target { decision.target }
}

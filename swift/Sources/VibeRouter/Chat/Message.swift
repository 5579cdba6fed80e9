/// A message of a chat, as chat APIs have them: `{"role": "user", "content": "..."}` in JSON.
public struct Message: Hashable, Sendable {
    /// Who wrote a message.
    public enum Role: String, Codable, Hashable, Sendable {
        case system, developer, user, assistant, tool
    }

    /// A part of a message's content.
    public enum Part: Hashable, Sendable {
        case text(String)
        /// An image, a video or a file: what a model must see.
        case image
        /// A recording: what a model must hear.
        case audio
        /// Anything else that a system, an assistant or a tool has written.
        case other
    }

    /// A tool that the assistant calls.
    public struct ToolCall: Hashable, Sendable {
        /// The tool.
        public var name: String
        /// JSON, as the model wrote it.
        public var arguments: String

        /// Take a call's name and arguments.
        public init(name: String, arguments: String) {
            self.name = name
            self.arguments = arguments
        }
    }

    /// Who wrote it.
    public var role: Role
    /// What it says and shows, in order.
    public var parts: [Part]
    /// The tools that an assistant's message calls.
    public var toolCalls: [ToolCall]

    /// Make a message of text.
    public init(_ role: Role, _ text: String, toolCalls: [ToolCall] = []) {
        self.init(role, parts: [.text(text)], toolCalls: toolCalls)
    }

    /// Make a message of parts, such as text with an image.
    public init(_ role: Role, parts: [Part], toolCalls: [ToolCall] = []) {
        self.role = role
        self.parts = parts
        self.toolCalls = toolCalls
    }

    /// The texts of the parts, joined by newlines.
    var text: String {
        parts.compactMap { if case .text(let text) = $0 { text } else { nil } }.joined(separator: "\n")
    }

    func count(_ part: Part) -> Int { parts.count { $0 == part } }
}

extension Message: Decodable {
    private enum CodingKeys: String, CodingKey {
        case role, content
        case toolCalls = "tool_calls"
    }

    /// Read a message of a chat API's JSON: content as text, as parts, or `null` for the assistant's calls.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        role = try fields.decode(Role.self, forKey: .role)
        let calls = try fields.decodeIfPresent([CallFields].self, forKey: .toolCalls) ?? []
        toolCalls = calls.map { ToolCall(name: $0.function?.name ?? "", arguments: $0.function?.arguments ?? "") }
        guard toolCalls.isEmpty || role == .assistant else {
            throw DecodingError.dataCorruptedError(
                forKey: .toolCalls, in: fields, debugDescription: "only a message of the assistant may call tools")
        }
        if try !fields.contains(.content) || fields.decodeNil(forKey: .content) {
            guard role == .assistant else {
                throw DecodingError.dataCorruptedError(
                    forKey: .content, in: fields, debugDescription: "the content is missing")
            }
            parts = []
        } else if let text = try? fields.decode(String.self, forKey: .content) {
            parts = [.text(text)]
        } else {
            parts = try fields.decode([PartFields].self, forKey: .content).map(\.part)
            guard role != .user || !parts.contains(.other) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .content, in: fields, debugDescription: "a part is of an unknown kind")
            }
        }
    }

    private struct CallFields: Decodable {
        struct Function: Decodable {
            let name: String?
            let arguments: String?
        }
        let function: Function?
    }

    private struct PartFields: Decodable {
        let part: Part

        private enum CodingKeys: String, CodingKey { case type, text, refusal }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                part = .text(text)
                return
            }
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            switch try fields.decode(String.self, forKey: .type) {
            case "text", "input_text", "output_text": part = .text(try fields.decode(String.self, forKey: .text))
            case "refusal": part = .text(try fields.decode(String.self, forKey: .refusal))
            case "image_url", "input_image", "image", "video_url", "input_video", "file", "input_file": part = .image
            case "input_audio", "audio_url", "audio": part = .audio
            default: part = .other
            }
        }
    }
}

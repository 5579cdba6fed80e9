import Foundation

/// The constants of a conversation's routing, and what the model on the device can do: Python's `ChatPolicy`.
///
/// Margins are in logits, so that they mean the same at every threshold. docs/conversations.md says what each was
/// chosen for.
public struct ChatPolicy: Hashable, Sendable {
    /// How far above the threshold a later turn must be to leave the device.
    public var rise = 0.5
    /// How far below the threshold a turn must be to count as calm.
    public var fall = 0.5
    /// Calm turns in a row before a conversation returns to the device.
    public var calmTurns = 3
    /// A longer turn is never taken for one that says nothing by itself.
    public var bareWords = 8
    /// A longer turn is scored alone.
    public var leaningWords = 8
    /// How many of the last turns are replayed.
    public var replayedTurns = 32
    /// Tokens that the device's model takes.
    public var deviceContext = 8192
    /// Whether the device's model calls tools.
    public var deviceTools = true
    /// Whether the device's model sees images.
    public var deviceVision = false
    /// Whether the device's model hears.
    public var deviceAudio = false
    /// Part of the device's context that is kept for the answer.
    public var reservedTokens = 1024
    /// UTF-8 bytes of text in a token.
    public var bytesPerToken = 3.0
    /// Tokens of an image or a recording.
    public var tokensPerMedium = 1024
    /// Blocks in user messages that coding assistants write, and no user.
    public var harnessTags = ["system-reminder", "environment_details", "environment_context"]

    /// Take the defaults of docs/conversations.md; every one can be changed afterwards.
    public init() {}

    func check() throws(RouterError) {
        let whole = min(calmTurns, replayedTurns, deviceContext, tokensPerMedium)
        guard whole >= 1, min(bareWords, leaningWords, reservedTokens) >= 0 else {
            throw .badArgument("a number of the chat policy is too small")
        }
        // Sums of them fit into 64 bits then.
        let largest = max(calmTurns, replayedTurns, deviceContext, tokensPerMedium, bareWords, leaningWords, reservedTokens)
        guard largest <= 1 << 53 else { throw .badArgument("a number of the chat policy is too large") }
        guard rise.isFinite, fall.isFinite, rise >= 0, fall >= 0 else {
            throw .badArgument("a margin of the chat policy is not a number from 0 on")
        }
        guard bytesPerToken.isFinite, bytesPerToken >= 0.01 else {
            throw .badArgument("bytesPerToken is not a number from 0.01 on")
        }
    }
}

/// One turn as the policy sees it: its logit, `nil` where it says nothing by itself, and whether the topic is new.
struct Observation {
    let logit: Double?
    var newTopic = false
}

extension ChatPolicy {
    /// Return the side of a conversation after each of its turns.
    func sides(_ turns: [Observation], threshold: Double) -> [Target] {
        // Infinite at 0 and 1.
        let bound = log(threshold) - log1p(-threshold)
        var side: Target?
        var calm = 0
        return turns.map { turn in
            if let logit = turn.logit {
                let excess = logit - bound
                calm = excess < -fall ? calm + 1 : 0
                switch side {
                case nil: side = probability(logit) > threshold ? .cloud : .device
                case .device: if excess > (turn.newTopic ? 0 : rise) { side = .cloud }
                case .cloud: if calm >= (turn.newTopic ? 1 : calmTurns) { side = .device }
                }
            }
            return side ?? .device
        }
    }
}

func probability(_ logit: Double) -> Double { 1 / (1 + exp(-logit)) }

/// The inverse; as far from 0 as a number's precision goes where the probability has been rounded to 0 or 1.
func logit(_ probability: Double) -> Double {
    min(max(log(probability) - log1p(-probability), -745), 37)
}

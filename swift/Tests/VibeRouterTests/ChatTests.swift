import Foundation
import XCTest

@testable import VibeRouter
import VibeRouterNano

/// Conversations: Python's decisions about scripted ones, the policy's rules, and what failures give.
final class ChatTests: XCTestCase {
    private struct Call: Decodable {
        struct Expected: Decodable {
            let target: Target
            let p_cloud: Double?
            let threshold: Double
            let reason: Reason
            let tokens: Int
            let scored: [[Int]]
            let context_tokens: Int
            let unmet: [String]
            let pinned: Bool
            let scores: [String: Double]
        }
        let messages: [Message]
        let tools: Int
        let allow_cloud: Bool
        let threshold: Double?
        let expected: Expected
    }

    /// `python -m benchmarks.conformance.chats artifacts/nano -o FILE` writes what Python decides.
    func testChatsAreDecidedAsInPython() throws {
        guard let path = ProcessInfo.processInfo.environment["VIBE_ROUTER_CHATS"] else {
            throw XCTSkip("VIBE_ROUTER_CHATS names no file of Python's decisions")
        }
        let router = try Router(bundle: Place.bundle)
        let calls: [Call] = try lines(of: URL(fileURLWithPath: path))
        XCTAssertGreaterThan(calls.count, 300)
        var state = ChatState()
        for (place, call) in calls.enumerated() {
            let terms = Terms(threshold: call.threshold, allowCloud: call.allow_cloud, fallback: .device)
            let found = try router.routeChat(call.messages, terms: terms, tools: call.tools)
            assert(found, call.expected, place)
            // The state of another conversation, or of another turn, changes no decision.
            state.pinned = false
            let again = try router.routeChat(call.messages, state: state, terms: terms, tools: call.tools)
            XCTAssertEqual(again.decision.target, found.decision.target)
            XCTAssertEqual(again.decision.reason, found.decision.reason)
            XCTAssertEqual(again.state.scores.keys.sorted(), found.state.scores.keys.sorted())
            state = again.state
        }
        print("chats decided as in Python: \(calls.count)")
    }

    private func assert(_ found: ChatDecision, _ expected: Call.Expected, _ place: Int) {
        let where_ = "line \(place)"
        XCTAssertEqual(found.target, expected.target, where_)
        XCTAssertEqual(found.decision.reason, expected.reason, where_)
        XCTAssertEqual(found.decision.threshold, expected.threshold, where_)
        XCTAssertEqual(found.decision.tokens, expected.tokens, where_)
        XCTAssertEqual(found.decision.pCloud == nil, expected.p_cloud == nil, where_)
        XCTAssertEqual(found.decision.pCloud ?? 0, expected.p_cloud ?? 0, accuracy: 1e-12, where_)
        XCTAssertEqual(found.scored.map { [$0.message, $0.start, $0.end] }, expected.scored, where_)
        XCTAssertEqual(found.requires.contextTokens, expected.context_tokens, where_)
        XCTAssertEqual(found.unmet.map(\.rawValue), expected.unmet, where_)
        XCTAssertEqual(found.state.pinned, expected.pinned, where_)
        XCTAssertEqual(found.state.scores.keys.sorted(), expected.scores.keys.sorted(), where_)
        for (key, score) in expected.scores {
            XCTAssertEqual(found.state.scores[key] ?? .nan, score, accuracy: 1e-5 * max(1, abs(score)), where_)
        }
    }

    /// The sides after each turn, as letters, at a threshold of 0.5.
    private func path(_ turns: (Double?, Bool)...) -> String {
        ChatPolicy().sides(turns.map { Observation(logit: $0.0, newTopic: $0.1) }, threshold: 0.5)
            .map { $0 == .cloud ? "c" : "d" }.joined()
    }

    func testSidesFollowTheTableOfTheDocument() {
        XCTAssertEqual(path((0.01, false)), "c")
        XCTAssertEqual(path((0, false)), "d")
        XCTAssertEqual(path((-1, false), (0.4, false), (0.5, false), (0.51, false)), "dddc")
        XCTAssertEqual(path((1, false), (-1, false), (-1, false), (-1, false)), "cccd")
        XCTAssertEqual(path((1, false), (nil, false), (-0.6, true)), "ccd")
        XCTAssertEqual(path((-1, false), (0.1, true)), "dc")
        XCTAssertEqual(path((nil, false)), "d")
    }

    func testAChatOfOneTurnIsDecidedAsItsPrompt() throws {
        let router = try Router.nano()
        for prompt in ["what is 2+2?", "Design a distributed consensus algorithm"] {
            let chat = try router.routeChat([Message(.system, "Be brief."), Message(.user, prompt)])
            let alone = try router.route(prompt)
            XCTAssertEqual(chat.target, alone.target)
            XCTAssertEqual(try XCTUnwrap(chat.decision.pCloud), try XCTUnwrap(alone.pCloud), accuracy: 1e-12)
            XCTAssertEqual(chat.decision.reason, .score)
        }
    }

    func testAPinIsAbsorbingAndCarriedInJSON() throws {
        let router = try Router.nano()
        let messages = [Message(.user, "Design a distributed consensus algorithm")]
        let pinned = try router.routeChat(messages, terms: Terms(allowCloud: false))
        XCTAssertEqual(pinned.decision.reason, .pinned)
        let json = try JSONEncoder().encode(pinned.state)
        let later = try router.routeChat(messages, state: JSONDecoder().decode(ChatState.self, from: json))
        XCTAssertEqual(later.target, .device)
        XCTAssertTrue(later.state.pinned)
        let names = try XCTUnwrap(JSONSerialization.jsonObject(with: json) as? [String: Any]).keys.sorted()
        XCTAssertEqual(names, ["pinned", "scorer", "scores", "version"])
    }

    func testFailuresGiveTheFallbackAndWrongCallsAreRefused() throws {
        let router = try Router.nano()
        let cancelled = Cancellation()
        cancelled.cancel()
        let messages = [Message(.user, "hi")]
        let fallback = try router.routeChat(messages, ChatState(), Terms(fallback: .cloud), 0, ChatPolicy(), cancelled)
        XCTAssertEqual([fallback.target.rawValue, fallback.decision.reason.rawValue], ["cloud", "fallback"])
        XCTAssertEqual(fallback.scored, [])
        guard case .cancelled = thrown({ _ = try router.routeChat(messages, ChatState(), Terms(), 0, ChatPolicy(), cancelled) })
        else { return XCTFail() }
        guard case .badPrompt = thrown({ _ = try router.routeChat([]) }) else { return XCTFail() }
        guard case .badArgument = thrown({ _ = try router.routeChat(messages, terms: Terms(profile: "none")) }) else {
            return XCTFail()
        }
        var policy = ChatPolicy()
        policy.calmTurns = 0
        guard case .badArgument = thrown({ _ = try router.routeChat(messages, policy: policy) }) else { return XCTFail() }
    }

    func testMessagesOfAChatAPIAreReadAndOthersRefused() throws {
        let read = { try JSONDecoder().decode(Message.self, from: Data($0.utf8)) } as (String) throws -> Message
        XCTAssertEqual(try read(#"{"role": "user", "content": "hi"}"#), Message(.user, "hi"))
        let parts = #"{"role": "user", "content": ["a", {"type": "input_text", "text": "b"}, {"type": "image_url"}]}"#
        XCTAssertEqual(try read(parts), Message(.user, parts: [.text("a"), .text("b"), .image]))
        for wrong in [
            #"{"content": "hi"}"#, #"{"role": "nobody", "content": "hi"}"#, #"{"role": "user", "content": null}"#,
            #"{"role": "user", "content": [{"type": "smell"}]}"#, #"{"role": "user", "content": [{"type": "text"}]}"#,
            #"{"role": "user", "content": "hi", "tool_calls": [{}]}"#,
        ] { XCTAssertThrowsError(try read(wrong), wrong) }
    }
}

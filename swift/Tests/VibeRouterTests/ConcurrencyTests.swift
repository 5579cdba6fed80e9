import Foundation
import XCTest

@testable import VibeRouter
import VibeRouterNano

final class ConcurrencyTests: XCTestCase {
    private static let prompts = (0..<40).map { "Explain item \($0) of " + String(repeating: "the list ", count: $0) }

    func testManyThreadsGetTheDecisionsOfOne() throws {
        let router = try Router.nano(threads: 2)
        let alone = try router.route(Self.prompts)
        let together = Collected()
        DispatchQueue.concurrentPerform(iterations: 160) { turn in
            let place = turn % alone.count
            together.add(place, try? router.route(Self.prompts[place]))
        }
        XCTAssertEqual(together.all.count, 160)
        for (place, decision) in together.all { XCTAssertEqual(decision, alone[place]) }
    }

    func testTasksGetTheDecisionsOfOneThread() async throws {
        let router = try Router.nano(threads: 2)
        let alone = try await router.route(Self.prompts)
        let together = try await withThrowingTaskGroup(of: (Int, Decision).self) { group in
            for (place, prompt) in Self.prompts.enumerated() {
                group.addTask { (place, try await router.route(prompt)) }
            }
            return try await group.reduce(into: [Int: Decision]()) { $0[$1.0] = $1.1 }
        }
        for (place, decision) in alone.enumerated() { XCTAssertEqual(together[place], decision) }
    }

    func testACancelledTaskThrowsOrFallsBack() async throws {
        let router = try Router.nano()
        let thrown = await Self.thrownWhenCancelled { () async throws(RouterError) in try await router.route("hi") }
        guard case .cancelled = thrown else { return XCTFail("\(String(describing: thrown))") }
        let fallback = try await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await router.route("hi", terms: Terms(fallback: .cloud))
        }.value
        XCTAssertEqual([fallback.target.rawValue, fallback.reason.rawValue], ["cloud", "fallback"])
        let pinned = try await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await router.route(["hi"], terms: Terms(allowCloud: false))
        }.value
        XCTAssertEqual(pinned.map(\.reason), [.pinned])
        let after = try await router.route("hi")
        XCTAssertEqual(after.reason, .score)
    }

    /// Three turns of which each is scored.
    private static let chat = ["Design a distributed consensus algorithm", "Write a haiku about autumn rain"].flatMap {
        [Message(.user, $0), Message(.assistant, "Here it is.")]
    } + [Message(.user, "Prove that there are infinitely many primes")]

    func testTasksDecideChatsAsOneThread() async throws {
        let router = try Router.nano(threads: 2)
        let (alone, chat) = (Self.inOneThread(router), Self.chat)
        let together = try await withThrowingTaskGroup(of: ChatDecision.self) { group in
            for _ in 0..<20 { group.addTask { try await router.routeChat(chat) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        XCTAssertEqual(alone?.state.scores.count, 3)
        for decided in together { XCTAssertEqual(decided, alone) }
        let carried = try await router.routeChat(Self.chat, state: XCTUnwrap(alone).state)
        XCTAssertEqual(carried, alone)
    }

    /// In an `async` function the name alone means the variant that is `async`.
    private static func inOneThread(_ router: Router) -> ChatDecision? { try? router.routeChat(chat) }

    func testACancelledChatThrowsOrFallsBack() async throws {
        let router = try Router.nano()
        let chat = Self.chat
        let known = try await router.routeChat(chat).state
        for state in [ChatState(), known] {
            guard case .cancelled = await Self.thrownWhenCancelled({ () async throws(RouterError) in
                try await router.routeChat(chat, state: state)
            }) else { return XCTFail() }
        }
        let image = [Message(.user, parts: [.text("What is this?"), .image])]
        for (messages, terms, target, reason) in [
            (Self.chat, Terms(fallback: .cloud), Target.cloud, Reason.fallback),
            (Self.chat, Terms(allowCloud: false, fallback: .cloud), .device, .pinned), (image, Terms(), .cloud, .required),
        ] {
            let decided = try await Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await router.routeChat(messages, terms: terms)
            }.value
            XCTAssertEqual(decided.target, target)
            XCTAssertEqual(decided.decision.reason, reason)
            XCTAssertNil(decided.decision.pCloud)
        }
    }

    func testAChatThatIsCancelledWhileItRunsScoresNoFurtherTurn() async throws {
        let scorer = CancelledByItsFirstScore()
        let router = Router(try Router.nano().library, scorer: scorer)
        let chat = Self.chat
        let task = Task { () -> RouterError? in
            do throws(RouterError) {
                _ = try await router.routeChat(chat)
                return nil
            } catch {
                return error
            }
        }
        scorer.cancel = { task.cancel() }
        scorer.ready.signal()
        let thrown = await task.value
        guard case .cancelled = thrown else { return XCTFail("\(String(describing: thrown))") }
        XCTAssertEqual(scorer.calls, 1)
    }

    private static func thrownWhenCancelled(
        _ call: @escaping @Sendable () async throws(RouterError) -> some Any
    ) async -> RouterError? {
        await Task { () -> RouterError? in
            withUnsafeCurrentTask { $0?.cancel() }
            do throws(RouterError) {
                _ = try await call()
                return nil
            } catch {
                return error
            }
        }.value
    }

    /// A scorer that cancels its caller's task before it gives its first score. The lock is the semaphore.
    private final class CancelledByItsFirstScore: Scorer, @unchecked Sendable {
        let name = "cancelled"
        let ready = DispatchSemaphore(value: 0)
        var cancel = {}
        private(set) var calls = 0

        func logit(_ ids: [Int64]) -> Double {
            ready.wait()
            defer { ready.signal() }
            calls += 1
            cancel()
            return 0.3
        }
    }

    /// What threads have added, in any order.
    private final class Collected: @unchecked Sendable {
        private let lock = NSLock()
        private var found: [(Int, Decision)] = []

        func add(_ place: Int, _ decision: Decision?) {
            lock.withLock { if let decision { found.append((place, decision)) } }
        }

        var all: [(Int, Decision)] { lock.withLock { found } }
    }
}

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
        let thrown = await Task { () -> RouterError? in
            withUnsafeCurrentTask { $0?.cancel() }
            do throws(RouterError) {
                _ = try await router.route("hi")
                return nil
            } catch {
                return error
            }
        }.value
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

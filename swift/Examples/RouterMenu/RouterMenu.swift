// A menu-bar application that routes while one types.
#if os(macOS) && canImport(SwiftUI)
    import SwiftUI
    import VibeRouter
    import VibeRouterNano

    @main
    struct RouterMenu: App {
        @StateObject private var model = PromptModel()

        var body: some Scene {
            MenuBarExtra("Router", systemImage: model.decision?.target == .cloud ? "cloud" : "desktopcomputer") {
                PromptView(model: model).padding().frame(width: 360)
            }
            .menuBarExtraStyle(.window)
        }
    }

    @MainActor
    final class PromptModel: ObservableObject {
        @Published var prompt = "" { didSet { route() } }
        @Published private(set) var decision: Decision?
        @Published private(set) var problem: String?
        private let router: Router?
        private var running: Task<Void, Never>?

        init() {
            do {
                router = try Router.nano()
            } catch {
                router = nil
                problem = error.message
            }
        }

        /// Route the newest text; an older call that still runs is cancelled.
        private func route() {
            guard let router else { return }
            running?.cancel()
            let prompt = prompt
            running = Task {
                do throws(RouterError) {
                    let decision = try await router.route(prompt)
                    guard !Task.isCancelled else { return }
                    self.decision = decision
                    problem = nil
                } catch {
                    if case .cancelled = error { return }
                    problem = error.message
                }
            }
        }
    }

    struct PromptView: View {
        @ObservedObject var model: PromptModel

        var body: some View {
            VStack(alignment: .leading, spacing: 12) {
                TextEditor(text: $model.prompt).frame(height: 120)
                if let decision = model.decision, let pCloud = decision.pCloud {
                    Label(
                        decision.target == .cloud ? "Cloud" : "This device",
                        systemImage: decision.target == .cloud ? "cloud" : "desktopcomputer")
                    ProgressView(value: pCloud)
                    Text("score \(pCloud, format: .number.precision(.fractionLength(3))), \(decision.tokens) tokens")
                        .foregroundStyle(.secondary)
                }
                if let problem = model.problem { Text(problem).foregroundStyle(.red) }
                Button("Quit") { NSApplication.shared.terminate(nil) }
            }
        }
    }
#else
    @main
    struct RouterMenu {
        static func main() { print("RouterMenu is an application for macOS") }
    }
#endif

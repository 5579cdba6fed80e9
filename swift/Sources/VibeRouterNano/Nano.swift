import Foundation
import VibeRouter

extension Router {
    /// Open the router that comes with this package.
    ///
    /// - Parameter threads: As for ``Router/init(bundle:threads:)``.
    /// - Throws: ``RouterError/unavailable(_:)`` where the processor lacks the engine's instructions.
    public static func nano(threads: Int = 0) throws(RouterError) -> Router {
        guard let file = Bundle.module.url(forResource: "model_int8", withExtension: "safetensors") else {
            throw .notFound("the application has been packed without the resources of VibeRouterNano")
        }
        return try Router(bundle: file, threads: threads)
    }
}

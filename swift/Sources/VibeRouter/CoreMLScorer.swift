#if canImport(CoreML)
    import CoreML
    import Foundation

    extension Router {
        /// Open a bundle whose scores Core ML computes, with packages of `router-export coreml`.
        ///
        /// Ids and thresholds come from the bundle's native file. Packages are compiled when they are opened.
        ///
        /// - Parameters:
        ///   - bundle: A bundle's folder with the native file and a Core ML engine.
        ///   - units: The hardware that Core ML may use.
        /// - Throws: As ``init(bundle:threads:)``; ``RouterError/unavailable(_:)`` where Core ML cannot load a package.
        public convenience init(bundle: URL, coreML units: MLComputeUnits) async throws(RouterError) {
            let library = try Library(path: bundle.path, threads: 1)
            let scorer: CoreMLScorer
            do {
                scorer = try await CoreMLScorer(bundle: bundle, units: units)
            } catch let error as RouterError {
                throw error
            } catch {
                throw .unavailable("Core ML cannot load the bundle's packages: \(error.localizedDescription)")
            }
            self.init(library, scorer: scorer)
        }
    }

    /// Core ML programs of fixed lengths: a prompt takes the shortest that it fits.
    final class CoreMLScorer: Scorer, @unchecked Sendable {
        let name = "coreml"
        private let models: [(length: Int, model: MLModel)]
        private let padding: Int32
        /// Core ML does not say that a loaded model may predict in several threads at once.
        private let lock = NSLock()

        private struct Manifest: Decodable {
            struct Engine: Decodable {
                let kind: String
                let file: String
            }

            let engines: [Engine]
            let pad_token_id: Int32
        }

        init(bundle: URL, units: MLComputeUnits) async throws {
            let content = try Data(contentsOf: bundle.appendingPathComponent("router.json"))
            let manifest = try JSONDecoder().decode(Manifest.self, from: content)
            guard let engine = manifest.engines.first(where: { $0.kind == "coreml" }) else {
                throw RouterError.notFound("the bundle has no Core ML package: run router-export coreml")
            }
            padding = manifest.pad_token_id
            var found: [(length: Int, model: MLModel)] = []
            for package in try Self.packages(bundle.appendingPathComponent(engine.file)) {
                found += try await Self.models(of: MLModel.compileModel(at: package), units: units)
            }
            guard !found.isEmpty else { throw RouterError.corrupt("the bundle's Core ML packages have no function") }
            models = found.sorted { $0.length < $1.length }
        }

        func logit(_ ids: [Int64]) throws -> Double {
            guard let (length, model) = models.first(where: { $0.length >= ids.count }) else {
                throw RouterError.failed("no function of the Core ML packages takes \(ids.count) tokens")
            }
            let input = try MLMultiArray(shape: [1, NSNumber(value: length)], dataType: .int32)
            for place in 0..<length {
                input[place] = NSNumber(value: place < ids.count ? Int32(truncatingIfNeeded: ids[place]) : padding)
            }
            let features = try MLDictionaryFeatureProvider(dictionary: ["input_ids": input])
            let output = try lock.withLock { try model.prediction(from: features) }
            guard let logit = output.featureValue(for: "logit")?.multiArrayValue else {
                throw RouterError.failed("the Core ML package gave no logit")
            }
            return logit[0].doubleValue
        }

        private static func packages(_ place: URL) throws -> [URL] {
            if place.pathExtension == "mlpackage" { return [place] }
            return try FileManager.default.contentsOfDirectory(at: place, includingPropertiesForKeys: nil)
                .filter { $0.pathExtension == "mlpackage" }
        }

        /// Return every function of a compiled package with its length.
        private static func models(of compiled: URL, units: MLComputeUnits) async throws -> [(Int, MLModel)] {
            var names: [String?] = [nil]
            if #available(macOS 15.0, iOS 18.0, *) {
                let functions = try await MLModelAsset(url: compiled).functionNames
                if !functions.isEmpty { names = functions }
            }
            return try names.map { name in
                let configuration = MLModelConfiguration()
                configuration.computeUnits = units
                if #available(macOS 15.0, iOS 18.0, *) { configuration.functionName = name }
                let model = try MLModel(contentsOf: compiled, configuration: configuration)
                let input = model.modelDescription.inputDescriptionsByName["input_ids"]
                guard let length = input?.multiArrayConstraint?.shape.last?.intValue else {
                    throw RouterError.corrupt("a Core ML package has no input input_ids of a fixed length")
                }
                return (length, model)
            }
        }
    }
#endif

import Foundation
import Inference
import Primitives

extension ModelFile {
    /// The file's manifest under the name that gives it this root, if one of the likely names
    /// does: the given one, its own, or the file's.
    func manifest(at path: String, name: String?, root: Digest) -> ModelManifest {
        var manifest = manifest(name: name)
        let stem = URL(filePath: path).deletingPathExtension().lastPathComponent
        for likely in [self.name, stem, stem.lowercased()] where name == nil {
            if manifest.root == root { break }
            manifest.name = likely
        }
        return manifest
    }
}

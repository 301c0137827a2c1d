import ArgumentParser
import Economics
import Foundation
import Primitives

/// The rules of a house as a JSON file (docs/reference/parameters.md): the same file for `serve`
/// and `simulate`. What is left out has its default; a name that is not known is an error. What a
/// value means is in `Economics`, where the simulator's scenarios read it too.
enum ParametersFile {
    /// Reads a file into parameters that are sound; says what is wrong otherwise.
    static func read(_ path: String) throws -> Parameters {
        guard let data = FileManager.default.contents(atPath: path) else {
            Console.say("\(path) cannot be read")
            throw Exit.configuration
        }
        var parameters = Parameters()
        do {
            let file = try JSONDecoder().decode(FileValue.self, from: data)
            guard case .group(let entries) = file.text else {
                Console.say("\(path): not an object")
                throw Exit.configuration
            }
            for entry in entries { try parameters.set(entry.key, to: entry.value) }
        } catch let fault as ParameterFault {
            Console.say("\(path): \(fault.key): \(fault.reason)")
            throw Exit.configuration
        } catch DecodingError.dataCorrupted(let context) {
            Console.say("\(path): \(context.debugDescription)")
            throw Exit.configuration
        }
        if let problem = parameters.problem {
            Console.say("\(path): \(problem)")
            throw Exit.configuration
        }
        return parameters
    }
}

/// Any JSON value, as a rule may be written; keys in alphabetic order.
private struct FileValue: Decodable {
    let text: ParameterText

    init(from decoder: any Decoder) throws {
        if let values = try? decoder.container(keyedBy: FileKey.self) {
            let keys = values.allKeys.sorted { $0.stringValue < $1.stringValue }
            text = .group(
                try keys.map { key in
                    let value = try values.decode(FileValue.self, forKey: key)
                    return ParameterText.Entry(key.stringValue, value.text)
                })
            return
        }
        guard let value = try? decoder.singleValueContainer() else {
            text = .other
            return
        }
        if let string = try? value.decode(String.self) {
            text = .text(string)
        } else if let number = try? value.decode(UInt64.self) {
            text = .number(number)
        } else {
            text = .other
        }
    }
}

/// Any name that a file may have.
private struct FileKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

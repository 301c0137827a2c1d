/// Turns a JSON schema into an automaton that reads exactly some of the texts of its values, and
/// only these: what it does not enforce is refused. Source: JSON Schema 2020-12, of which
/// docs/reference/structured-outputs.md lists what is known.
struct SchemaCompiler {
    typealias State = Automaton.State

    /// The most properties of one object, and the most schemas of one `anyOf`.
    static let maximumChoices = 128

    private let root: OrderedJSON
    var builder = AutomatonBuilder()

    /// The automaton of a schema.
    static func compile(_ schema: OrderedJSON) throws(SchemaError) -> Automaton {
        var compiler = SchemaCompiler(root: schema)
        let (start, end) = (try compiler.builder.state(), try compiler.builder.state())
        compiler.builder.returns(in: end)
        try compiler.add(SchemaPlace(schema, "#"), from: start, to: end)
        return try compiler.builder.automaton(start: start)
    }

    /// The automaton of any object.
    static func anyObject() throws(SchemaError) -> Automaton {
        var builder = AutomatonBuilder()
        let (start, end) = (try builder.state(), try builder.state())
        builder.returns(in: end)
        try builder.anyObject(from: start, to: end)
        return try builder.automaton(start: start)
    }

    private init(root: OrderedJSON) {
        self.root = root
    }

    // MARK: Keywords

    /// What says nothing about values.
    private static let annotations: Set<String> = [
        "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default",
        "examples", "deprecated", "readOnly", "writeOnly",
    ]
    /// What each type's values can be held to. Other types do not mind.
    private static let keywords: [(type: String, names: [String])] = [
        ("object", ["properties", "required", "additionalProperties"]),
        ("array", ["items", "minItems", "maxItems"]),
        ("string", ["minLength", "maxLength", "pattern", "format"]),
        ("integer", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    ]
    private static let types = [
        "object", "array", "string", "integer", "number", "boolean", "null",
    ]

    mutating func add(_ place: SchemaPlace, from: State, to: State) throws(SchemaError) {
        switch place.schema {
        case .bool(true): try builder.anyValue(from: from, to: to)
        case .bool(false): break
        case .object(let fields):
            let names = fields.map(\.name).filter { !Self.annotations.contains($0) }
            try addFields(names, place, from: from, to: to)
        default: throw place.fault(.invalidKeyword, "a schema is an object, true or false")
        }
    }

    private mutating func addFields(
        _ names: [String], _ place: SchemaPlace, from: State, to: State
    ) throws(SchemaError) {
        func allow(_ allowed: [String]) throws(SchemaError) {
            if let other = names.first(where: { !allowed.contains($0) }) {
                throw place.fault(
                    .unsupportedKeyword,
                    allowed[0] == "type" ? other : "\(other) beside \(allowed[0])")
            }
        }
        let schema = place.schema
        if let reference = schema["$ref"] {
            try allow(["$ref"])
            try addReference(reference, place, from: from, to: to)
        } else if let choices = schema["anyOf"] {
            try allow(["anyOf"])
            try addChoices(choices, place, from: from, to: to)
        } else if let all = schema["allOf"] {
            try allow(["allOf"])
            guard case .array(let parts) = all, parts.count == 1 else {
                throw place.fault(.unsupportedKeyword, "allOf of other than one schema")
            }
            try add(
                SchemaPlace(parts[0], place.pointer + "/allOf/0", references: place.references),
                from: from, to: to)
        } else if let values = try literals(place) {
            try allow([schema["enum"] == nil ? "const" : "enum", "type"])
            try addLiterals(values, place, from: from, to: to)
        } else {
            try allow(["type"] + Self.keywords.flatMap(\.names))
            for type in try types(names, place) {
                try addType(type, place, from: from, to: to)
            }
        }
    }

    private mutating func addReference(
        _ reference: OrderedJSON, _ place: SchemaPlace, from: State, to: State
    ) throws(SchemaError) {
        guard case .string(let pointer) = reference else {
            throw place.fault(.invalidKeyword, "$ref is a text")
        }
        guard let target = resolve(pointer) else {
            throw place.fault(.unknownReference, pointer)
        }
        guard !place.references.contains(pointer) else {
            throw place.fault(.circularReference, pointer)
        }
        let inner = SchemaPlace(target, pointer, references: place.references + [pointer])
        builder.call(try routine(inner), from: from, to: to)
    }

    /// The subroutine of a schema.
    mutating func routine(_ place: SchemaPlace) throws(SchemaError) -> State {
        let name = "schema " + place.pointer
        if let known = builder.routine(named: name) { return known }
        let (start, end) = try builder.addRoutine(name)
        try add(place, from: start, to: end)
        return start
    }

    /// What a JSON pointer (RFC 6901) in a fragment leads to.
    private func resolve(_ reference: String) -> OrderedJSON? {
        guard reference.hasPrefix("#") else { return nil }
        let parts = reference.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard parts.first?.isEmpty ?? true else { return nil }
        var here = root
        for part in parts.dropFirst() {
            let name = String(part.replacing("~1", with: "/").replacing("~0", with: "~"))
            if case .array(let values) = here {
                guard let place = Int(name), values.indices.contains(place) else { return nil }
                here = values[place]
            } else {
                guard let value = here[name] else { return nil }
                here = value
            }
        }
        return here
    }

    private mutating func addChoices(
        _ choices: OrderedJSON, _ place: SchemaPlace, from: State, to: State
    ) throws(SchemaError) {
        guard case .array(let schemas) = choices, !schemas.isEmpty else {
            throw place.fault(.invalidKeyword, "anyOf is a list of schemas")
        }
        guard schemas.count <= Self.maximumChoices else {
            throw place.fault(.tooComplex, "anyOf of more than \(Self.maximumChoices) schemas")
        }
        for (number, schema) in schemas.enumerated() {
            try add(
                SchemaPlace(
                    schema, "\(place.pointer)/anyOf/\(number)", references: place.references),
                from: from, to: to)
        }
    }

    // MARK: Types

    private func types(_ names: [String], _ place: SchemaPlace) throws(SchemaError) -> [String] {
        switch place.schema["type"] {
        case nil:
            let said = Self.keywords.filter { $0.names.contains(where: names.contains) }
            return said.isEmpty ? [""] : said.map(\.type)
        case .string(let type):
            if Self.types.contains(type) { return [type] }
        case .array(let values):
            let types = values.compactMap { value in
                if case .string(let type) = value, Self.types.contains(type) { type } else { nil }
            }
            if types.count == values.count, Set(types).count == types.count, !types.isEmpty {
                return types
            }
        default: break
        }
        throw place.fault(.invalidKeyword, "type is one of \(Self.types) or a list of them")
    }

    private mutating func addType(
        _ type: String, _ place: SchemaPlace, from: State, to: State
    ) throws(SchemaError) {
        switch type {
        case "object": try addObject(place, from: from, to: to)
        case "array": try addArray(place, from: from, to: to)
        case "string": try addString(place, from: from, to: to)
        case "integer": try addInteger(place, from: from, to: to)
        case "number":
            if let bound = Self.keywords[3].names.first(where: { place.schema[$0] != nil }) {
                throw place.fault(.unsupportedKeyword, "\(bound) of a number that is no integer")
            }
            try builder.number(from: from, to: to)
        case "boolean":
            try builder.oneOf([Array("true".utf8), Array("false".utf8)], from: from, to: to)
        case "null": try builder.text("null".utf8, from: from, to: to)
        default: try builder.anyValue(from: from, to: to)
        }
    }

    /// The values of `enum` or `const` that also have the right type.
    private func literals(_ place: SchemaPlace) throws(SchemaError) -> [OrderedJSON]? {
        if let value = place.schema["const"] {
            if let other = place.schema["enum"] {
                throw place.fault(.unsupportedKeyword, "enum \(other.bytes.count) beside const")
            }
            return [value]
        }
        guard let list = place.schema["enum"] else { return nil }
        guard case .array(let values) = list, !values.isEmpty else {
            throw place.fault(.invalidKeyword, "enum is a list of values")
        }
        return values
    }

    private mutating func addLiterals(
        _ values: [OrderedJSON], _ place: SchemaPlace, from: State, to: State
    ) throws(SchemaError) {
        var fitting = values
        if place.schema["type"] != nil {
            let types = try types([], place)
            fitting = values.filter { $0.types.contains(where: types.contains) }
        }
        guard !fitting.isEmpty else {
            throw place.fault(.impossible, "no value of enum or const is of the type")
        }
        try builder.oneOf(fitting.map(\.bytes), from: from, to: to)
    }

    private mutating func addArray(_ place: SchemaPlace, from: State, to: State) throws(SchemaError)
    {
        let minimum = try place.count("minItems") ?? 0
        let maximum = try place.count("maxItems")
        try place.order(minimum, maximum, "minItems and maxItems")
        guard let items = place.schema["items"] else {
            return try builder.list(from: from, to: to, minimum, maximum) {
                (builder, from, to) throws(SchemaError) in
                try builder.anyValue(from: from, to: to)
            }
        }
        let item = try routine(SchemaPlace(items, place.pointer + "/items"))
        try builder.list(from: from, to: to, minimum, maximum) { builder, from, to in
            builder.call(item, from: from, to: to)
        }
    }

    private mutating func addString(_ place: SchemaPlace, from: State, to: State)
        throws(SchemaError)
    {
        let minimum = try place.count("minLength") ?? 0
        let maximum = try place.count("maxLength")
        try place.order(minimum, maximum, "minLength and maxLength")
        let said = ["pattern", "format"].filter { place.schema[$0] != nil }
        guard let keyword = said.first, let value = place.schema[keyword] else {
            if minimum == 0, maximum == nil { return try builder.anyString(from: from, to: to) }
            return try builder.string(from: from, to: to, minimum, maximum)
        }
        guard said.count == 1, minimum == 0, maximum == nil else {
            throw place.fault(.unsupportedKeyword, "\(keyword) beside another limit of a text")
        }
        guard case .string(let text) = value else {
            throw place.fault(.invalidKeyword, "\(keyword) is a text")
        }
        var source = text
        if keyword == "format" {
            guard let known = TextFormats.patterns[text] else {
                throw place.fault(
                    .unsupportedKeyword,
                    "format \(text); known are \(TextFormats.patterns.keys.sorted())")
            }
            source = known
        }
        do throws(SchemaError) {
            try Pattern(source).add(to: &builder, from: from, to: to)
        } catch {
            throw place.fault(error.code, error.detail)
        }
    }

    private mutating func addInteger(_ place: SchemaPlace, from: State, to: State)
        throws(SchemaError)
    {
        var minimum = try place.integer("minimum", roundUp: true)
        if let bound = try place.integer("exclusiveMinimum", roundUp: false) {
            minimum = max(minimum ?? .min, bound + 1)
        }
        var maximum = try place.integer("maximum", roundUp: false)
        if let bound = try place.integer("exclusiveMaximum", roundUp: true) {
            maximum = min(maximum ?? .max, bound - 1)
        }
        guard minimum != nil || maximum != nil else {
            return try builder.integer(from: from, to: to)
        }
        let limit = AutomatonBuilder.largestInteger
        let range = (minimum ?? -limit, maximum ?? limit)
        try place.order(range.0, range.1, "the bounds")
        try builder.integer(in: range.0...range.1, from: from, to: to)
    }
}

extension OrderedJSON {
    /// The names that JSON Schema has for the type of a value.
    fileprivate var types: [String] {
        switch self {
        case .null: ["null"]
        case .bool: ["boolean"]
        case .number(let text): Int(text) == nil ? ["number"] : ["integer", "number"]
        case .string: ["string"]
        case .array: ["array"]
        case .object: ["object"]
        }
    }
}

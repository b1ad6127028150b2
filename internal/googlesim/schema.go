package googlesim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxSchemaDepth is how deeply schemas may nest, in subschemas; older models allowed about five.
const maxSchemaDepth = 32

// maxItemsTotal is the sum of all maxItems of a request's schema from which Google answers with nothing but an invalid argument.
const maxItemsTotal = 960

const bareMessage = "Request contains an invalid argument."

// rootPlace is the root of a schema in Vertex AI's names.
const rootPlace = "parameters"

// schemaWalk checks a schema of the legacy dialect, which is a message of its own: unknown keywords were refused when it was
// read.
type schemaWalk struct {
	judge    *judge
	function string // whose parameters these are; empty for a response schema
}

// root checks a schema and all in it.
func (w *schemaWalk) root(schema *node, path, tooDeep string) *apiError {
	if depthOfSchema(schema) > maxSchemaDepth {
		return invalid(tooDeep)
	}
	if kind := schema.get("type").str(); w.function != "" && strings.HasSuffix(path, ".parameters") && kind != "" && kind != "OBJECT" {
		return unable("`%s` functionDeclaration `parameters` schema should be of type OBJECT", w.function)
	}
	if refused := w.schema(schema, path, rootPlace); refused != nil {
		return refused
	}
	return nil
}

// countItems adds to the sum that Google limits: it is the request's, not one schema's.
func (j *judge) countItems(schema *node) *apiError {
	if j.maxItems += schema.get("maxItems").integer(); j.maxItems > maxItemsTotal {
		return invalid(bareMessage)
	}
	return nil
}

func depthOfSchema(schema *node) int {
	deepest := depthOf(schema.get("items"))
	for _, p := range schema.get("properties").membersOf() {
		deepest = max(deepest, depthOf(p.value))
	}
	for _, option := range schema.get("anyOf").list() {
		deepest = max(deepest, depthOf(option))
	}
	return deepest
}

func depthOf(schema *node) int {
	if schema == nil {
		return 0
	}
	return 1 + depthOfSchema(schema)
}

// legacyFormats are the formats each type may have.
var legacyFormats = map[string][]string{
	"STRING": {"enum", "date-time"}, "NUMBER": {"float", "double"}, "INTEGER": {"int32", "int64"},
}

// schema checks one subschema. The path is the Developer API's, place is Vertex AI's name for it.
func (w *schemaWalk) schema(s *node, path, place string) *apiError {
	kind := s.get("type").str()
	developer := w.judge.developer()
	switch options := s.get("anyOf").list(); {
	case len(options) > 0 && !developer && len(s.members) > 1:
		return invalid(fmt.Sprintf("Unable to submit request because %s schema specified other fields alongside any_of. When using any_of, "+
			"it must be the only field set.", w.named(place)))
	case len(options) == 0 && !developer && (kind == "" || kind == "TYPE_UNSPECIFIED"):
		return unable("%s schema didn't specify the schema type field", w.named(place))
	case s.has("properties") && kind != "OBJECT":
		return field(path+".properties", "only allowed for OBJECT type")
	case kind == "OBJECT" && place != rootPlace && len(s.get("properties").membersOf()) == 0: // only the root may be empty
		return field(path+".properties", "should be non-empty for OBJECT type")
	case s.has("items") && kind != "ARRAY":
		return field(path+".items", "only allowed for ARRAY type")
	case kind == "ARRAY" && !s.has("items"):
		return field(path+".items", "missing field")
	}
	if refused := w.values(s, path, kind); refused != nil {
		return refused
	}
	if refused := w.judge.countItems(s); refused != nil {
		return refused
	}
	for _, p := range s.get("properties").membersOf() {
		if refused := w.schema(p.value, path+".properties["+key(p.name)+"]", place+"."+p.name); refused != nil {
			return refused
		}
	}
	for i, option := range s.get("anyOf").list() {
		if refused := w.schema(option, fmt.Sprintf("%s.any_of[%d]", path, i), place); refused != nil {
			return refused
		}
	}
	if items := s.get("items"); items != nil {
		return w.schema(items, path+".items", place)
	}
	return nil
}

// values checks what a subschema says of values: enum, required and format.
func (w *schemaWalk) values(s *node, path, kind string) *apiError {
	enum := s.get("enum").list()
	if len(enum) > 0 && kind != "STRING" {
		return field(path+".enum", "only allowed for STRING type")
	}
	for i, v := range enum {
		if v.str() == "" {
			return field(fmt.Sprintf("%s.enum[%d]", path, i), "cannot be empty")
		}
	}
	for i, name := range s.get("required").list() {
		if !s.get("properties").has(name.str()) {
			return field(fmt.Sprintf("%s.required[%d]", path, i), "property is not defined")
		}
	}
	allowed, known := legacyFormats[kind]
	if format := s.get("format").str(); w.judge.developer() && known && format != "" && !slices.Contains(allowed, format) {
		return field(path+".format", "only '%s' and '%s' are supported for %s type", allowed[0], allowed[1], kind)
	}
	return nil
}

func (w *schemaWalk) named(place string) string {
	if w.function == "" {
		return "`" + strings.Replace(place, "parameters", "response_schema", 1) + "`"
	}
	return "`" + w.function + "` functionDeclaration `" + place + "`"
}

var plainKey = regexp.MustCompile(`^[A-Za-z]+$`)

// key is a map's key as it stands in Google's paths.
func key(name string) string {
	if plainKey.MatchString(name) {
		return name
	}
	return string(appendString(nil, name))
}

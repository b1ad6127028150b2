package conformance

import "fmt"

// merge adds a delta to what has been gathered, by the two rules of the Python SDK's stream helper: how values of one member combine,
// and that the entries of a list are matched by their index. The Go SDK agrees where it merges at all.
func merge(sum, delta map[string]any) error {
	for name, value := range delta {
		old, ok := sum[name]
		if !ok || old == nil || name == "index" || name == "type" {
			sum[name] = value
			continue
		}
		combined, err := combine(old, value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		sum[name] = combined
	}
	return nil
}

func combine(old, value any) (any, error) {
	switch old := old.(type) {
	case string:
		if value, ok := value.(string); ok {
			return old + value, nil
		}
	case float64:
		if value, ok := value.(float64); ok {
			return old + value, nil
		}
	case map[string]any:
		if value, ok := value.(map[string]any); ok {
			return old, merge(old, value)
		}
	case []any:
		if value, ok := value.([]any); ok {
			return mergeList(old, value)
		}
	}
	return old, nil // values of other kinds stay as they came first
}

func mergeList(sum, delta []any) ([]any, error) {
	for _, entry := range delta {
		entry, ok := entry.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("list entry %v is no object", entry)
		}
		index, ok := entry["index"].(float64)
		if !ok {
			return nil, fmt.Errorf("list entry without an integer index: %v", entry)
		}
		if int(index) >= len(sum) {
			sum = append(sum, entry)
			continue
		}
		old, ok := sum[int(index)].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("list entry %d is no object", int(index))
		}
		if err := merge(old, entry); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

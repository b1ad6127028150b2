package googlesim

func (s *Server) validate(c *exchange, m *model) *apiError { return nil }

func validateAssist(c *exchange) *apiError { return nil }

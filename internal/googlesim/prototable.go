package googlesim

// protoTable lists the fields of every request message, a message a paragraph, a field a line: its JSON name, its type, and where
// it exists: d Developer API, v Vertex AI, a Code Assist, all three when that is not said. A type is a scalar of protobuf's,
// "any" or "object" for free JSON, enum(A|B) or a message of this table; [] marks repeated fields, {} maps. Of the fields marked
// =x at most one may be set. The source is Google's published API definitions as its documentation and SDKs show them.
const protoTable = `
Request
	model string dv
	contents Content[]
	systemInstruction Content
	tools Tool[]
	toolConfig ToolConfig
	safetySettings SafetySetting[]
	generationConfig GenerationConfig
	cachedContent string
	labels string{}
	sessionId string a
	serviceTier enum(unspecified|standard|flex|priority) d
	store bool d
	continuationToken bytes dv
	modelArmorConfig ModelArmorConfig v

AssistRequest
	model string
	project string
	userPromptId string
	request Request
	enabledCreditTypes string[]

CountRequest
	contents Content[]
	generateContentRequest Request d
	systemInstruction Content v
	tools Tool[] v
	generationConfig GenerationConfig v
	model string va

AssistCountRequest
	request CountRequest

LoadRequest
	cloudaicompanionProject string
	metadata ClientMetadata
	mode enum(MODE_UNSPECIFIED|FULL_ELIGIBILITY_CHECK|HEALTH_CHECK)

OnboardRequest
	tierId string
	cloudaicompanionProject string
	metadata ClientMetadata

QuotaRequest
	project string
	userAgent string

ModelArmorConfig
	promptTemplateName string
	responseTemplateName string

ClientMetadata
	ideType string
	ideVersion string
	ideName string
	pluginVersion string
	platform string
	updateChannel string
	duetProject string
	pluginType string

Content
	role string
	parts Part[]

Part
	text string =data
	inlineData Blob =data
	fileData FileData =data
	functionCall FunctionCall =data
	functionResponse FunctionResponse =data
	executableCode ExecutableCode =data
	codeExecutionResult CodeExecutionResult =data
	toolCall ToolCall d =data
	toolResponse ToolResponse d =data
	thought bool
	thoughtSignature bytes
	videoMetadata VideoMetadata
	mediaResolution MediaResolution
	speechMetadata object
	audioTranscription object
	partMetadata object d
	mediaProcessing object

Blob
	mimeType string
	data bytes
	displayName string

FileData
	mimeType string
	fileUri string
	displayName string

FunctionCall
	id string d
	name string
	args object
	partialArgs PartialArg[] v
	willContinue bool v

PartialArg
	jsonPath string
	stringValue string
	numberValue double
	boolValue bool
	nullValue any
	willContinue bool

FunctionResponse
	id string d
	name string
	response object
	parts FunctionResponsePart[]
	scheduling enum(SCHEDULING_UNSPECIFIED|SILENT|WHEN_IDLE|INTERRUPT) d
	willContinue bool d

FunctionResponsePart
	inlineData Blob =data
	fileData FileData =data

ExecutableCode
	id string
	language enum(LANGUAGE_UNSPECIFIED|PYTHON)
	code string

CodeExecutionResult
	id string
	outcome enum(OUTCOME_UNSPECIFIED|OUTCOME_OK|OUTCOME_FAILED|OUTCOME_DEADLINE_EXCEEDED)
	output string

ToolCall
	id string
	toolType string
	args object

ToolResponse
	id string
	toolType string
	response object

VideoMetadata
	startOffset string
	endOffset string
	fps double

MediaResolution
	level enum(MEDIA_RESOLUTION_UNSPECIFIED|MEDIA_RESOLUTION_LOW|MEDIA_RESOLUTION_MEDIUM|MEDIA_RESOLUTION_HIGH|MEDIA_RESOLUTION_ULTRA_HIGH)
	numTokens int32

Tool
	functionDeclarations FunctionDeclaration[]
	googleSearch GoogleSearch
	googleSearchRetrieval object
	codeExecution Empty
	urlContext Empty
	googleMaps GoogleMaps
	computerUse object
	fileSearch FileSearch d
	mcpServers McpServer[] d
	retrieval object va
	enterpriseWebSearch object va
	parallelAiSearch object v
	exaAiSearch object v

Empty

GoogleSearch
	timeRangeFilter object
	searchTypes object
	blockingConfidence string va
	excludeDomains string[] va

GoogleMaps
	enableWidget bool

FileSearch
	fileSearchStoreNames string[]
	topK int32
	metadataFilter string

McpServer
	name string
	streamableHttpTransport object

FunctionDeclaration
	name string
	description string
	behavior enum(UNSPECIFIED|BLOCKING|NON_BLOCKING) d
	parameters Schema
	parametersJsonSchema any
	response Schema
	responseJsonSchema any

Schema
	type enum(TYPE_UNSPECIFIED|STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT|NULL)
	format string
	title string
	description string
	nullable bool
	enum string[]
	items Schema
	maxItems int64
	minItems int64
	properties Schema{}
	required string[]
	minProperties int64
	maxProperties int64
	minLength int64
	maxLength int64
	minimum double
	maximum double
	pattern string
	example any
	anyOf Schema[]
	propertyOrdering string[]
	default any

ToolConfig
	functionCallingConfig FunctionCallingConfig
	retrievalConfig RetrievalConfig
	includeServerSideToolInvocations bool d

FunctionCallingConfig
	mode enum(MODE_UNSPECIFIED|AUTO|ANY|NONE|VALIDATED)
	allowedFunctionNames string[]
	streamFunctionCallArguments bool v

RetrievalConfig
	latLng LatLng
	languageCode string

LatLng
	latitude double
	longitude double

SafetySetting
	category enum(HARM_CATEGORY_UNSPECIFIED|HARM_CATEGORY_HARASSMENT|HARM_CATEGORY_HATE_SPEECH|HARM_CATEGORY_SEXUALLY_EXPLICIT|HARM_CATEGORY_DANGEROUS_CONTENT|HARM_CATEGORY_CIVIC_INTEGRITY|HARM_CATEGORY_JAILBREAK|HARM_CATEGORY_IMAGE_HARASSMENT|HARM_CATEGORY_IMAGE_HATE|HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT|HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT)
	threshold enum(HARM_BLOCK_THRESHOLD_UNSPECIFIED|BLOCK_NONE|OFF|BLOCK_ONLY_HIGH|BLOCK_MEDIUM_AND_ABOVE|BLOCK_LOW_AND_ABOVE)
	method enum(HARM_BLOCK_METHOD_UNSPECIFIED|SEVERITY|PROBABILITY) v

GenerationConfig
	temperature double
	topP double
	topK double
	candidateCount int32
	maxOutputTokens int32
	stopSequences string[]
	seed int32
	presencePenalty double
	frequencyPenalty double
	responseLogprobs bool
	logprobs int32
	responseMimeType string
	responseSchema Schema
	responseJsonSchema any
	responseFormat object[] v
	responseModalities enum(MODALITY_UNSPECIFIED|TEXT|IMAGE|AUDIO|VIDEO)[]
	speechConfig SpeechConfig
	imageConfig ImageConfig dv
	mediaResolution enum(MEDIA_RESOLUTION_UNSPECIFIED|MEDIA_RESOLUTION_LOW|MEDIA_RESOLUTION_MEDIUM|MEDIA_RESOLUTION_HIGH)
	thinkingConfig ThinkingConfig
	audioTimestamp bool va
	enableAffectiveDialog bool dv
	enableEnhancedCivicAnswers bool d
	routingConfig object va
	modelConfig object v
	modelSelectionConfig object a
	outputConfig object v
	audioTranscriptionConfig object dv
	translationConfig object dv

ThinkingConfig
	includeThoughts bool
	thinkingBudget int32
	thinkingLevel enum(THINKING_LEVEL_UNSPECIFIED|MINIMAL|LOW|MEDIUM|HIGH|XHIGH)

SpeechConfig
	voiceConfig VoiceConfig
	multiSpeakerVoiceConfig MultiSpeakerVoiceConfig
	languageCode string

VoiceConfig
	prebuiltVoiceConfig PrebuiltVoiceConfig

MultiSpeakerVoiceConfig
	speakerVoiceConfigs SpeakerVoiceConfig[]

SpeakerVoiceConfig
	speaker string
	voiceConfig VoiceConfig

PrebuiltVoiceConfig
	voiceName string

ImageConfig
	aspectRatio string
	imageSize string
	personGeneration string v
	prominentPeople string v
	imageOutputOptions object v
`

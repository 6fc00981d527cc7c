//! Files: out of base64 and back as a download.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use channels::{Error, OrInternal};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::AppState;
use crate::asked::{Named, named};
use crate::messages::{FileUpload, MAX_FILE_BYTES};

/// What stays as it is in the `filename*` of a header (RFC 5987).
const FILENAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// The bytes of an upload, which must have the size that was announced.
pub(crate) fn decode(upload: &FileUpload) -> Result<Vec<u8>, Error> {
    // Four characters carry three bytes: a larger text is refused before it is decoded.
    if upload.file_data.len() > MAX_FILE_BYTES.div_ceil(3) * 4 {
        return Err(Error::validation("file_data", "the file is larger than 10 MB"));
    }
    let bytes = STANDARD.decode(&upload.file_data).map_err(|_| Error::validation("file_data", "is no base64"))?;
    if bytes.len() != upload.file_size {
        let problem = format!("is {}, and the file has {} bytes", upload.file_size, bytes.len());
        return Err(Error::validation("file_size", problem));
    }
    Ok(bytes)
}

/// `GET /api/files/{id}`. The id is unguessable: who has it was told it.
pub(crate) async fn download(State(app): State<AppState>, id: Named) -> Result<Response, Error> {
    let Some(file) = app.store.file(&named("id", id)?).await.or_internal()? else {
        let error = Error::validation("id", "there is no such file");
        return Ok(error.into_response_with(StatusCode::NOT_FOUND));
    };
    let mut headers = HeaderMap::new();
    // Somebody else named this type: the browser must neither guess another nor show it in place.
    let fallback = HeaderValue::from_static("application/octet-stream");
    let mime_type = HeaderValue::from_str(&file.metadata.mime_type).unwrap_or(fallback);
    headers.insert(header::CONTENT_TYPE, mime_type);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    let name = utf8_percent_encode(&file.metadata.filename, FILENAME);
    let disposition = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}")).or_internal()?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok((headers, file.bytes).into_response())
}

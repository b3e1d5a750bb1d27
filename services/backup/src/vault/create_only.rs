//! Uploads in parts that never overwrite an object.
//!
//! `object_store` sends the condition only with objects in one part. It does not sign this header, which is not required.

use std::pin::Pin;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use reqwest::Method;
use reqwest::header::{HeaderValue, IF_NONE_MATCH};

/// Creates clients that complete an upload only if no object with its name exists.
#[derive(Debug)]
pub struct CreateOnly;

impl HttpConnector for CreateOnly {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(CreateOnlyClient(client)))
    }
}

#[derive(Debug)]
struct CreateOnlyClient(HttpClient);

impl HttpService for CreateOnlyClient {
    fn call<'a, 'b>(
        &'a self,
        mut request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let query = request.uri().query().unwrap_or_default();
        let is_upload = query.split('&').any(|part| part.starts_with("uploadId="));
        if request.method() == Method::POST && is_upload {
            request
                .headers_mut()
                .insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Box::pin(self.0.execute(request))
    }
}

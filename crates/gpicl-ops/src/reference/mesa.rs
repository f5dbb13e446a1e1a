//! Ridge regression by a Cholesky factor made column by column.

use burn::tensor::{Tensor, TensorData};

use crate::AttentionMask;

/// See [`crate::mesa()`].
pub fn mesa(qkv: Tensor<3>, temperature: Tensor<1>, ridge: Tensor<1>, mask: AttentionMask) -> Tensor<3> {
    let [_, time, width] = qkv.dims();
    let keys = mask.keys(time);
    let seen: Vec<usize> = (0..time).map(|at| if at < keys { at } else { at - keys }).collect();
    let heads = temperature.dims()[0];
    let [query, key, value] = [0, 1, 2].map(|part| qkv.clone().narrow(2, part * width / 3, width / 3));
    let context = [key, value].map(|part| split(part.narrow(1, 0, keys), heads));
    regress(split(query, heads), context, temperature, ridge, &seen)
}

/// See [`crate::mesa_queries`].
pub fn mesa_queries(
    qkv: Tensor<3>,
    context: Tensor<3>,
    temperature: Tensor<1>,
    ridge: Tensor<1>,
) -> Tensor<3> {
    let ([_, queries, width], [_, examples, _]) = (qkv.dims(), context.dims());
    let (d_model, heads) = (width / 3, temperature.dims()[0]);
    let context = [0, d_model].map(|part| split(context.clone().narrow(2, part, d_model), heads));
    regress(split(qkv.narrow(2, 0, d_model), heads), context, temperature, ridge, &vec![examples; queries])
}

/// `[batch, time, heads * d_head]` as `[batch, heads, time, d_head]`.
fn split(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, time, width] = x.dims();
    x.reshape([batch, time, heads, width / heads]).swap_dims(1, 2)
}

fn unit(x: Tensor<4>) -> Tensor<4> {
    let length = (x.clone() * x.clone()).sum_dim(3).clamp_min(1e-12).sqrt();
    x / length
}

/// `seen`: how many of the keys each query sees.
fn regress(
    query: Tensor<4>,
    [key, value]: [Tensor<4>; 2],
    temperature: Tensor<1>,
    ridge: Tensor<1>,
    seen: &[usize],
) -> Tensor<3> {
    let [batch, heads, rows, d_head] = query.dims();
    let (n, device) = (key.dims()[2], query.device());
    let (query, key) = (unit(query), unit(key));
    let [temperature, ridge] = [temperature, ridge].map(|x| x.reshape([1, heads, 1, 1]));
    let kernel =
        |a: Tensor<4>, b: Tensor<4>| ((a.matmul(b.swap_dims(2, 3)) - 1.0) * temperature.clone()).exp();
    let eye = Tensor::<2>::eye(n, &device).reshape([1, 1, n, n]);
    let gram = kernel(key.clone(), key.clone()) + eye * ridge;
    let mask: Vec<f32> =
        seen.iter().flat_map(|&seen| (0..n).map(move |at| f32::from(u8::from(at < seen)))).collect();
    let mask = Tensor::<4>::from_data(TensorData::new(mask, [1, 1, rows, n]), &device);

    // Column j of the lower factor, of which the rows above j are not used; then both right sides, row by row.
    let (mut columns, mut z, mut w) =
        (Vec::<Tensor<4>>::new(), Vec::<Tensor<4>>::new(), Vec::<Tensor<4>>::new());
    let cross = kernel(key, query);
    for j in 0..n {
        let row = |x: &Tensor<4>| x.clone().narrow(2, j, 1);
        let (mut column, mut of_query, mut of_value) =
            (gram.clone().narrow(3, j, 1), row(&cross), row(&value));
        for (l, earlier) in columns.iter().enumerate() {
            column = column - earlier.clone() * row(earlier);
            of_query = of_query - z[l].clone() * row(earlier);
            of_value = of_value - w[l].clone() * row(earlier);
        }
        let root = row(&column).sqrt();
        columns.push(column / root.clone());
        z.push(of_query / root.clone());
        w.push(of_value / root);
    }
    let z = Tensor::cat(z, 2).swap_dims(2, 3) * mask;
    let read = z.matmul(Tensor::cat(w, 2));
    read.swap_dims(1, 2).reshape([batch, rows, heads * d_head])
}
